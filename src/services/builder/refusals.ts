/** Builder's refusals, and Xen's. */
import type { BuilderRefusal } from '../../contracts/builder.ts';
import { RpcError } from '../../kit/rpc.ts';

export const refusal = (code: BuilderRefusal, message: string): RpcError => new RpcError(code, message);

/** The stable code of a failed operation of a port; null: it is something else. */
export function codeOf(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : null;
}

/** Failures of these kinds are as good as success. */
export async function ignoring(codes: readonly string[], run: () => unknown): Promise<void> {
  try {
    await run();
  } catch (error) {
    const code = codeOf(error);
    if (code === null || !codes.includes(code)) throw error;
  }
}

/** What Xen or XenStore refuses, the caller is told; anything else is our own bug and stays one. */
export async function orRefused<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof RpcError || codeOf(error) === null) throw error;
    throw refusal('xen-refused', `${what}: ${(error as Error).message}`);
  }
}
