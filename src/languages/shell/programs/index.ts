/** The table of programs. */
import type { Program } from '../program.ts';
import { BUILTINS } from './builtins.ts';
import { FILES } from './files.ts';
import { NETWORK } from './network.ts';
import { PACKAGES } from './packages.ts';
import { RUNNERS } from './runners.ts';
import { SYSTEM } from './system.ts';
import { TEXT } from './text.ts';

/** Every program by its name, section by section as the documentation shows them. */
export const SECTIONS: readonly (readonly [title: string, programs: Readonly<Record<string, Program>>])[] = [
  ['Files', FILES],
  ['Text', TEXT],
  ['The machine', SYSTEM],
  ['The network', NETWORK],
  ['Packages, containers, versions, builds', PACKAGES],
  ['What runs other programs, or anything', RUNNERS],
  ['What shells do themselves', BUILTINS],
];

export const PROGRAMS: ReadonlyMap<string, Program> = new Map(
  SECTIONS.flatMap(([, programs]) => Object.entries(programs)),
);

// `python3.11` is `python3`.
const VERSIONED = /^(?<name>python|python2|python3|perl|ruby|php|lua|node|pip|pip3)-?[\d.]+$/;

export function findProgram(name: string, extra?: ReadonlyMap<string, Program>): Program | undefined {
  return extra?.get(name) ?? PROGRAMS.get(name) ?? PROGRAMS.get(VERSIONED.exec(name)?.groups?.['name'] ?? '');
}
