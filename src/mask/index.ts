/** The door of the mask room: scanning cells for what detectors find, masking whole cells, and masking bodies as they flow. */
export { type BodyMasker, type BodyMaskerOptions, type BodyMasks, masksOf } from './body.ts';
export { type CellKind, type Fingerprint, maskCell } from './cell.ts';
export { createFormMasker } from './form.ts';
export { createJsonMasker } from './json-stream.ts';
export { maskerFor } from './kinds.ts';
export { createMessageMasker, type MessageMasker } from './messages.ts';
export { type CellScanner, createCellScanner } from './scanner.ts';
export { createSseMasker } from './sse.ts';
export { createStreamMasker, type StreamMasker, type StreamMaskerOptions } from './stream.ts';
export { createTextMasker } from './text-body.ts';
