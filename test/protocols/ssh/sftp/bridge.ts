/** A program for `sftp -D`: speaks SFTP on its own input and output, and serves it through the relay. Its arguments: the folder in scope, further rules. */
import { Duplex } from 'node:stream';
import { writeSync } from 'node:fs';
import { bridge } from './stage.ts';

const [folder = '', rules = ''] = process.argv.slice(2);
const stdio = Duplex.from({ readable: process.stdin, writable: process.stdout });
const summary = await bridge(folder, rules, stdio, (refusal) => writeSync(2, `${refusal.message}\n`));
writeSync(2, `summary ${JSON.stringify(summary)}\n`);
process.exit(0);
