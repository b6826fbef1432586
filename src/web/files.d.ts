/* The files of the page are imported as texts; style sheets are declared where reports are made. */
declare module "*.svg" {
  const text: string;
  export default text;
}
declare module "*/program.js" {
  const text: string;
  export default text;
}
