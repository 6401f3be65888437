/** Who may do what with the catalogue; the answers come from the tracker's own rules. */
export interface CatalogueAccess {
  /**
   * Who may look.
   *
   * @param passkey what the visitor showed, in a link or after a login
   * @param base absolute URL that this tracker was asked by, without a slash at the end
   * @returns undefined: only members may, and this is none
   */
  viewer(passkey: string | undefined, base: string): CatalogueViewer | undefined;
  /**
   * Who may add torrents.
   *
   * @param secret a token or a passkey
   * @param from address of the visitor: wrong secrets are counted by it
   * @returns the name that is put beside the torrent; undefined: nobody who may
   */
  uploader(secret: string, from: string): string | undefined;
}

export interface CatalogueViewer {
  /** What goes into the torrents and magnet links that this visitor takes. */
  readonly announceUrls: readonly string[];
}
