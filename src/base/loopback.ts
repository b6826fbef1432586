/*
 * Which names and addresses of a host never leave it. Asks no resolver.
 */

/** Whether only this host can reach the address (RFC 5735, RFC 4291). The only name that says so is `localhost`. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  return /^(?:localhost\.?|(?:::ffff:)?127(?:\.\d{1,3}){1,3}|(?:0{0,4}:){2,7}0{0,3}1)$/.test(name);
}
