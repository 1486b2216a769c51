/** The shape of a statement: its text without literals, comments and spacing, so that what differs only in values counts as one. */
import { scanSync } from 'libpg-query';
import { isLiteral, ready } from './parser.ts';

export type ShapeOf = (text: string) => string;

/** Loads the scanner first. */
export async function loadShapes(): Promise<ShapeOf> {
  await ready;
  return shapeOf;
}

function shapeOf(text: string): string {
  let tokens: readonly { readonly text: string }[];
  try {
    ({ tokens } = scanSync(text));
  } catch {
    return text.replace(/\s+/g, ' ').trim();
  }
  const words = tokens
    .filter((token) => !COMMENT.test(token.text))
    .map((token) => (isLiteral(token.text) ? '?' : token.text));
  return words
    .join(' ')
    .replace(/ ?([,;)\].]) ?/g, '$1 ')
    .replace(/([([.]) /g, '$1')
    .replace(/ ([[.])/g, '$1')
    .replace(/\?(?:, \?)+/g, '?, …')
    .replace(/;\s*$/, '')
    .trim();
}

const COMMENT = /^(?:--|\/\*)/;
