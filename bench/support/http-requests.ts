/** Info-hash number `n`, spread over all values. */
export function infoHashOf(n: number): Uint8Array {
  const hash = new Uint8Array(20);
  let x = n + 1;
  for (let i = 0; i < 20; i++) {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
    hash[i] = x >>> 24;
    x += i;
  }
  return hash;
}

/** An announce as Transmission writes it, 50 peers wanted. @param n torrent and port by it */
export function announceRequest(n: number, keepAlive: boolean): Buffer {
  const hash = [...infoHashOf(n)]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return /[0-9A-Za-z._~-]/.test(char) ? char : `%${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
  return Buffer.from(
    `GET /announce?info_hash=${hash}&peer_id=-TR3000-${String(n).padStart(12, 'x')}&port=${20_000 + n}` +
      '&uploaded=1048576&downloaded=33554432&left=733331&numwant=50&key=5e3fa1b2&compact=1&supportcrypto=1 HTTP/1.1\r\n' +
      'Host: tracker.example:6969\r\nUser-Agent: Transmission/3.00\r\nAccept: */*\r\nAccept-Encoding: deflate, gzip\r\n' +
      `${keepAlive ? '' : 'Connection: close\r\n'}\r\n`,
    'latin1',
  );
}
