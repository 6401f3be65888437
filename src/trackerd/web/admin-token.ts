/** Whether a text can be the API's token: long enough that nobody guesses it, and of characters that a header can carry. */
export function isAdminToken(text: string | undefined): boolean {
  return text !== undefined && /^[\x21-\x7e]{16,256}$/.test(text);
}
