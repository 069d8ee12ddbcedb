import { runCli } from '../program.js';
import type { TestServer } from './http-server.js';
import { scriptedTerminal } from './scripted-terminal.js';

/** Runs a command line against a server; parts are split at spaces, and a low line stands for one. */
export const runAgainst = async (
  server: TestServer,
  args: string,
  script: Parameters<typeof scriptedTerminal>[0] = {},
) => {
  const terminal = scriptedTerminal({
    ...script,
    env: { HEADGATE_URL: server.url, HEADGATE_TOKEN: 'hg_operator_x', ...script.env },
  });
  const code = await runCli(
    args.split(' ').map((part) => part.replaceAll('_', ' ')),
    terminal,
  );
  return { code, out: terminal.stdout(), err: terminal.stderr(), terminal };
};
