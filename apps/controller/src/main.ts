import 'reflect-metadata';
import { ConfigError, loadConfig } from './config.js';
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

main().catch((error: unknown) => {
  const text =
    error instanceof ConfigError
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
  process.stderr.write(`Headgate cannot start. ${text}\n`);
  process.exit(1);
});
