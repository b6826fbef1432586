/* Which names and addresses of a host never leave it. */

/** Whether only this host can reach the address. Of names only `localhost` says so. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  return /^(?:localhost\.?|(?:::ffff:)?127(?:\.\d{1,3}){1,3}|(?:0{0,4}:){2,7}0{0,3}1)$/.test(name);
}
