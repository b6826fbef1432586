/*
 * What others may do with the files and folders that this process makes for itself: nothing, whatever its umask says.
 * Only where a site is one of several users the umask decides. As a umask, this holds for the whole process. Files that
 * the user has named for output are no business of this: the umask is.
 */

let isShared = false;

/** From now on the umask decides, because others use these files too. */
export function shareNewFiles(): void {
  isShared = true;
}

/** The mode to make a file with. */
export function fileMode(): number {
  return isShared ? 0o666 : 0o600;
}

/** The mode to make a folder with. */
export function folderMode(): number {
  return isShared ? 0o777 : 0o700;
}

/** The mode of a copy of a file: that of the file, as far as others may use copies. */
export function copyMode(mode: number): number {
  return mode & (isShared ? 0o777 : 0o700);
}
