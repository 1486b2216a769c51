/** Reads gateway.yaml from disk. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { problemsError } from '../../base/document.ts';
import { errorTable } from '../../base/error.ts';
import { readGateway } from './read.ts';
import type { GatewayConfig, TargetReader } from './types.ts';

const fail = errorTable({
  CONFIG_UNREADABLE: { exit: 2, hint: 'name the file with --config, or write one with: hoopctl gateway init' },
});

/**
 * @param path as the user named it; problems are told with that name
 * @throws HoopError CONFIG_UNREADABLE, CONFIG_INVALID (exit 2, with every problem)
 */
export async function loadGateway(
  path: string,
  protocols: Readonly<Record<string, TargetReader>>,
): Promise<GatewayConfig> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw fail('CONFIG_UNREADABLE', `${path} cannot be read (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
  const reading = readGateway({ file: path, text, folder: dirname(resolve(path)) }, protocols);
  if (!reading.ok) throw problemsError('CONFIG_INVALID', reading.problems);
  return reading.config;
}
