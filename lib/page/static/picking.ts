/**
 * Pictures as people hand them over: chosen, dropped with their folders, or pasted.
 * @module
 */

/** Endings of files that are pictures, where the browser knows no type. */
const PICTURES = /\.(?:avif|bmp|gif|ico|jpe?g|p[bgp]m|png|qoi|tga|tiff?|webp)$/i;

/** Of the files of a folder, those that look like pictures. */
export function picturesAmong(files: Iterable<File>): File[] {
  return Array.from(files).filter(({ type, name }) =>
    (type.startsWith("image/") && type !== "image/svg+xml") || PICTURES.test(name)
  );
}

/** The files that were dropped: as they are, and of folders the pictures in them. */
export async function droppedFiles(data: DataTransfer): Promise<File[]> {
  // to be asked before anything is waited for
  const entries = Array.from(data.items, (item) => item.webkitGetAsEntry());
  const files = Array.from(data.files);
  if (!entries.some((entry) => entry?.isDirectory)) return files;
  const found: File[] = [];
  for (const entry of entries) if (entry) found.push(...await filesOf(entry, 0));
  return found;
}

/** Folders in folders that are looked into. */
const DEEPEST = 12;

async function filesOf(entry: FileSystemEntry, depth: number): Promise<File[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject)
    );
    return depth === 0 ? [file] : picturesAmong([file]);
  }
  if (depth > DEEPEST || entry.name.startsWith(".")) return [];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: File[] = [];
  while (true) {
    // some hundred at a time
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject)
    );
    if (some.length === 0) return found;
    for (const one of some) found.push(...await filesOf(one, depth + 1));
  }
}
