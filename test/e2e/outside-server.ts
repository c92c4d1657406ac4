/** An HTTP server outside the virtual host, on loopback; guests reach it as 10.0.2.2. Serves one body of seeded bytes. */
import { createCipheriv, createHash } from 'node:crypto';
import { createServer } from 'node:http';

export interface OutsideServer {
  readonly url: string;
  readonly sha256: string;
  close(): Promise<void>;
}

/** AES in counter mode with a fixed key: bytes that no layer can compress, the same on every run. */
function body(bytes: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16, 9)).update(Buffer.alloc(bytes));
}

export async function outsideServer(bytes: number): Promise<OutsideServer> {
  const content = body(bytes);
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': content.length, 'content-type': 'application/octet-stream' });
    response.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://10.0.2.2:${address.port}/`,
    sha256: createHash('sha256').update(content).digest('hex'),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
