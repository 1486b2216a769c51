/** A piece of a line: text, or text in a colour. */

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
export type Part = string | { readonly text: string; readonly style: Style };
