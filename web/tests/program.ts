// Runs finpipe (environment FINPIPE) in a directory of its own.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEADLINE_MS } from './browser';

const PROGRAM = process.env.FINPIPE ?? 'finpipe';

export class Program {
  address = '';  // what it said it listens on, such as http://127.0.0.1:40123
  readonly #process: ChildProcess;
  #said = '';

  private constructor(directory: string, args: string[]) {
    const clean = Object.entries(process.env).filter(([name]) => !/^(FINPIPE|FINNHUB)/.test(name));
    const env = Object.fromEntries(clean);
    this.#process = spawn(PROGRAM, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const listen = (text: Buffer) => void (this.#said += text.toString());
    this.#process.stdout?.on('data', listen);
    this.#process.stderr?.on('data', listen);
  }

  // Until it has said where it is.
  static async start(directory: string, ...args: string[]): Promise<Program> {
    const program = new Program(directory, args);
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const found = /(?:Page and API:|simulating Finnhub at) ((?:https?|wss?):\/\/127\.0\.0\.1:\d+)/.exec(program.#said);
      if (found) {
        program.address = found[1] ?? '';
        return program;
      }
      if (program.#process.exitCode !== null || Date.now() > deadline) {
        program.#process.kill('SIGKILL');
        assert.fail(`finpipe ${args.join(' ')} told no address; it said:\n${program.#said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  get port(): string {
    return new URL(this.address).port;
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}

export function temporaryDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'finpipe-page-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
