import 'reflect-metadata';
import { loadConfig } from './config.js';
import { startController } from './controller.js';

const main = async (): Promise<void> => {
  const controller = await startController(loadConfig(process.env));
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    controller.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`Headgate did not stop cleanly: ${String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
};

/** Reasons that say by themselves what to do; others come with where they happened. */
const SELF_EXPLAINING = new Set([
  'ConfigError',
  'StartError',
  'SchemaMismatchError',
  'AppRoleError',
  'UnknownEventError',
]);

const isSelfExplaining = (error: unknown): boolean =>
  error instanceof Error && (SELF_EXPLAINING.has(error.name) || isSelfExplaining(error.cause));

main().catch((error: unknown) => {
  const text =
    error instanceof Error ? (isSelfExplaining(error) ? error.message : (error.stack ?? error.message)) : String(error);
  process.stderr.write(`Headgate cannot start. ${text}\n`);
  process.exit(1);
});
