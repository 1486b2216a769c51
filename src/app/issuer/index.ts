/** Our own identity provider, for the demo, for one person on one machine, and for tests: the door of this folder. */
export { type Idp, type IdpOptions, type IdpUser, startIdp } from './idp.ts';
export { OptionalPackageMissing } from './optional.ts';
