// Hot path: tracker-http
import { writeNumber } from '../../wire/index.ts';

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};

/** How an answer is told to leave the connection. */
export interface AnswerManner {
  /** HTTP/1.0: staying must be said. */
  readonly isOld: boolean;
  readonly keepAlive: boolean;
  /** The body is left out. */
  readonly isHead: boolean;
}

const LENGTH_HEADER = 'Content-Length: ';
/** Bytes of any head of ours. */
const HEAD_BYTES_MAX = 256;
/** Answers are longer than 99 bytes and shorter than 1,000 nearly always: for those nothing is moved. */
const LENGTH_DIGITS = 3;
const HEAD_END = Buffer.from('\r\n\r\n', 'latin1');
const HEADS = [false, true].map((isOld) =>
  [false, true].map((keepAlive) => formatHead(200, 'text/plain', { isOld, keepAlive })),
);

/**
 * The one buffer that a front end writes its answers to: first the bencoded body at its place, then whatever the head needs around it, so
 * that an answer is one piece and pipelined ones are one write. Its last part belongs to the peers of the answer in the making.
 *
 * Bytes are the buffer's until `take`; who could not send them at once keeps the memory, and the next answer is written to fresh one.
 */
export class AnswerBuffer {
  bytes: Buffer;
  /** End of the answers that are ready. */
  length = 0;
  /** Where a body begins, between `begin` and `end`. */
  bodyAt = 0;
  readonly #answerBytesMax: number;
  readonly #peerBytesMax: number;

  /** @param sizes.bodyBytesMax longest body; @param sizes.peerBytesMax room for peers of one answer */
  constructor(sizes: { bodyBytesMax: number; peerBytesMax: number }) {
    this.#answerBytesMax = HEAD_BYTES_MAX + sizes.bodyBytesMax;
    this.#peerBytesMax = sizes.peerBytesMax;
    this.bytes = this.#allocate();
  }

  /** Where the peers of an answer may be written to until it is. */
  get peersAt(): number {
    return this.bytes.length - this.#peerBytesMax;
  }
  /** Whether one more answer has room, whatever it is. */
  get hasRoom(): boolean {
    return this.peersAt - this.length >= this.#answerBytesMax;
  }

  /** Begins a good answer of bencode. The body goes to `bytes` from `bodyAt` on. */
  begin(manner: AnswerManner): void {
    const head = (HEADS[manner.isOld ? 1 : 0] as Buffer[])[manner.keepAlive ? 1 : 0] as Buffer;
    this.bytes.set(head, this.length);
    this.bodyAt = this.length + head.length + LENGTH_DIGITS + HEAD_END.length;
  }

  /** @param bodyEnd where the body ends */
  end(bodyEnd: number, isHead: boolean): void {
    const { bytes } = this;
    const bodyLength = bodyEnd - this.bodyAt;
    const lengthAt = this.bodyAt - HEAD_END.length - LENGTH_DIGITS;
    const shift = bodyLength >= 100 && bodyLength < 1_000 ? 0 : String(bodyLength).length - LENGTH_DIGITS;
    if (shift !== 0) bytes.copyWithin(this.bodyAt + shift, this.bodyAt, bodyEnd);
    let at = writeNumber(bytes, lengthAt, bodyLength);
    for (let i = 0; i < HEAD_END.length; i++) bytes[at++] = HEAD_END[i] as number;
    this.length = isHead ? at : bodyEnd + shift;
  }

  /** A whole answer for people. @param text at most 100 characters */
  addText(status: number, text: string, manner: AnswerManner): void {
    const head = formatHead(status, 'text/plain; charset=utf-8', manner);
    const body = manner.isHead ? '' : text;
    this.length += this.bytes.write(`${head.toString('latin1')}${text.length}\r\n\r\n${body}`, this.length, 'latin1');
  }

  /** Takes everything that is ready: a view that is lent until the next `begin`. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.length);
    this.length = 0;
    return taken;
  }

  /** The bytes taken last are still being sent: gives their memory away. */
  giveAway(): void {
    this.bytes = this.#allocate();
  }

  #allocate(): Buffer {
    // Room for a dozen ordinary answers of pipelined requests in one write.
    return Buffer.allocUnsafeSlow(Math.max(16_384, this.#answerBytesMax * 2) + this.#peerBytesMax);
  }
}

/** Everything up to the digits of the length. */
function formatHead(status: number, type: string, manner: { isOld: boolean; keepAlive: boolean }): Buffer {
  const connection = manner.keepAlive ? (manner.isOld ? 'Connection: keep-alive\r\n' : '') : 'Connection: close\r\n';
  return Buffer.from(
    `HTTP/1.1 ${status} ${STATUS_TEXTS[status] ?? 'Error'}\r\nContent-Type: ${type}\r\nCache-Control: no-store\r\n` +
      (status === 405 ? 'Allow: GET, HEAD\r\n' : '') +
      `${connection}${LENGTH_HEADER}`,
    'latin1',
  );
}
