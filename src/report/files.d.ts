/* The style sheet and the program of the page are imported as texts. */
declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*/zoom.js" {
  const text: string;
  export default text;
}
