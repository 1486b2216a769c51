/** The API room's door for the server side. The CLI imports `client.ts` and the types of `shapes.ts` alone. */
export { type ApiServer, type ApiServerOptions, ROUTES, startApiServer } from './server.ts';
export type {
  ApprovalCaller,
  Authentication,
  Caller,
  RunCaller,
  Services,
  SessionFilter,
  UserCaller,
} from './services.ts';
export type { Presence } from './presence.ts';
export type * from './shapes.ts';
