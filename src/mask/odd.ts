/**
 * Which characters beyond ASCII may be a digit, dash, space or `@` in disguise, or are not drawn at all, told by the first two bytes of UTF-8.
 *
 * A cell without them is scanned as it is; with one, its normal form is scanned. Ordinary letters of other scripts are not among them.
 */

/**
 * First byte, then second bytes: where characters lie that are Pd, Zs, Nd, Cf or Default_Ignorable_Code_Point, or whose NFKC form has ASCII in it
 * (Unicode 16). Left out: c4 c5 c7 ca cb, which hold Latin letters only.
 */
const TABLE = `
c2 a0aaadb2b3b9babcbdbe
cd 8fbe
d6 8abe
d8 8081828384859c
d9 a0a1a2a3a4a5a6a7a8a9
db 9db0b1b2b3b4b5b6b7b8b9
dc 8f
df 80818283848586878889
e0 a2a3a5a7a9abadafb1b3b5b7b9bbbc
e1 818285909a9e9fa0a5a7aaadaeb1b4b5b6babf
e2 80818284858688919293a9b1b2b8b9
e3 80828588898a8b8d8e8f
ea 989fa3a4a7a9af
ef acb8b9bbbcbdbebf
f0 909193969b9c9d9e9f
f3 a0`;

const SECONDS = new Uint8Array(64 * 64);
const leads: number[] = [];
for (const line of TABLE.trim().split('\n')) {
  const lead = Number.parseInt(line.slice(0, 2), 16);
  leads.push(lead);
  for (const [second] of line.slice(2).replaceAll(' ', '').matchAll(/../g))
    SECONDS[slot(lead, Number.parseInt(second, 16))] = 1;
}

export const ODD_LEADS: readonly number[] = leads;

/** Both bytes from 0x80 on, as UTF-8 has them. */
export function isOdd(lead: number, second: number): boolean {
  return second >= 0x80 && SECONDS[slot(lead, second)] === 1;
}

function slot(lead: number, second: number): number {
  return (lead - 0xc0) * 64 + (second & 0x3f);
}
