/** The door to hoop.yaml, the user's own file, and the folders that are trusted. Loads the schemas only when a file is there. */
export { configPlace } from './folder.ts';
export { type ClientPlace, describeOrigin, loadClientConfig } from './load.ts';
export { distrustFolder, isTrusted, trustedFolders, trustFolder } from './trust.ts';
export type { ClientConfig, EndpointForm, Origin, Project, Setting, TokenPlace, TokenStore } from './types.ts';
