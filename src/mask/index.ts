/** The door of the mask room: scanning cells for what detectors find, and masking whole cells. */
export { type CellKind, type Fingerprint, maskCell } from './cell.ts';
export { type CellScanner, createCellScanner } from './scanner.ts';
export { createStreamMasker, type StreamMasker, type StreamMaskerOptions } from './stream.ts';
