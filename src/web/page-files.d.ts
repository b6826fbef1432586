/* The files of the page are imported as texts. */
declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*.svg" {
  const text: string;
  export default text;
}
declare module "*/browser.js" {
  const text: string;
  export default text;
}
