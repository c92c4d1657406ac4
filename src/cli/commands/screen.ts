/** The screen of a guest whose PC is emulated. */
import { once } from 'node:events';
import { unlink } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { CliEnvironment } from '../environment.ts';
import { CliError } from '../exit-codes.ts';
import { openLocal } from '../local-file.ts';
import { type OpenScreen, openScreen, takeScreenshot } from '../screen.ts';
import { sizeText } from '../text.ts';
import { reference } from './guest-reference.ts';
import { examples, json, type Output, print } from './output.ts';

const LOOPBACK = '127.0.0.1';

export function addScreenCommands(program: Command, environment: CliEnvironment): void {
  addVnc(program, environment);
  addScreenshot(program, environment);
}

interface VncOptions extends Output {
  readonly port?: number;
  readonly once?: true;
}

function addVnc(program: Command, environment: CliEnvironment): void {
  program
    .command('vnc')
    .description("let VNC viewers on this machine see and use a guest's screen, until Ctrl+C")
    .argument('<guest>', 'its name or domid')
    .option('-p, --port <number>', 'of 127.0.0.1, instead of any that is free', portNumber)
    .option('--once', 'end when the first viewer has left')
    .addOption(json())
    .addHelpText('after', examples('ennead vnc windows', 'ennead vnc --port 5901 windows'))
    .action(async (name: string, { port = 0, once: one, ...output }: VncOptions) => {
      const guest = reference(name);
      // So that what is wrong is said now, and not to a viewer.
      (await openScreen(environment, guest)).close();
      const server = createServer();
      const left = new Promise<void>((resolve) => {
        server.on('connection', (socket) => {
          void show(environment, guest, socket).then(() => one && resolve());
        });
      });
      const bound = await listen(server, port);
      print(
        environment,
        output,
        { address: LOOPBACK, port: bound },
        () => `the screen of ${name} is at ${LOOPBACK}, port ${bound}; for instance: vncviewer ${LOOPBACK}::${bound}\n`,
      );
      await left;
      server.close();
    });
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, LOOPBACK);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError('usage', `port ${port} of ${LOOPBACK} cannot be used (${code})`);
  }
  return (server.address() as AddressInfo).port;
}

/** Each viewer has a session of its own; one that fails ends with it, and the next may come. */
async function show(environment: CliEnvironment, guest: string | number, socket: Socket): Promise<void> {
  socket.on('error', () => {});
  let screen: OpenScreen | null = null;
  try {
    screen = await openScreen(environment, guest);
    // Whichever side leaves first ends both directions; how it did so is nobody's failure.
    const ended = [pipeline(screen.chunks(), socket), pipeline(socket, screen.stream)];
    await Promise.race(ended.map((direction) => direction.catch(() => {})));
  } catch (error) {
    environment.error(`ennead: ${error instanceof Error ? error.message : String(error)}\n`);
  } finally {
    screen?.close();
    socket.destroy();
  }
}

function addScreenshot(program: Command, environment: CliEnvironment): void {
  program
    .command('screenshot')
    .description("write a picture of a guest's screen into a new file")
    .argument('<guest>', 'its name or domid')
    .argument('<file>', 'the PNG; it must not exist')
    .addOption(json())
    .addHelpText('after', examples('ennead screenshot windows screen.png'))
    .action(async (guest: string, path: string, output: Output) => {
      const bytes = await writeScreenshot(environment, reference(guest), path);
      print(
        environment,
        output,
        { file: path, bytes },
        () => `${path} shows the screen of ${guest}: ${sizeText(bytes)}\n`,
      );
    });
}

/** Returns its size. No file is left if there is no picture. */
async function writeScreenshot(environment: CliEnvironment, guest: string | number, path: string): Promise<number> {
  const file = await openLocal(path, 'wx');
  try {
    const picture = await takeScreenshot(environment, guest);
    await file.writeFile(picture);
    return picture.length;
  } catch (error) {
    await unlink(path);
    throw error;
  } finally {
    await file.close();
  }
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new InvalidArgumentError('a port from 1 to 65535');
  return port;
}
