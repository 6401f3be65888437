import { decode, getDict, getInt, getList, getText } from '#bencode';

/** The pad files of a torrent (BEP 47), as a program that does not know them keeps them: path below the download folder to zeros. */
export function padFilesOf(torrentFile: Uint8Array): Record<string, Uint8Array> {
  const info = getDict(decode(torrentFile), 'info');
  const pads: Record<string, Uint8Array> = {};
  for (const file of getList(info, 'files') ?? []) {
    if (getText(file, 'attr')?.includes('p') !== true) continue;
    const path = (getList(file, 'path') ?? []).map((part) => Buffer.from(part as Uint8Array).toString());
    pads[[getText(info, 'name'), ...path].join('/')] = new Uint8Array(getInt(file, 'length') ?? 0);
  }
  return pads;
}
