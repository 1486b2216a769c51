/** What rules may match of HTTP, by full names. */
import type { FactTable } from '../../domain/protocol.ts';

export const HTTP_FACTS: FactTable = {
  'http.method': 'string',
  /** As it is sent, without the query. */
  'http.path': 'string',
  /** The template of the route: `/v1/refunds/{id}`. */
  'http.route': 'string',
  /** The route's name, an `operationId` where a document gives one. */
  'http.operation': 'string',
  /** `none`, `whole`, or `streamed`: larger than `body` of the target, and not read. */
  'http.body': 'string',
  'http.bodyBytes': 'number',
  /** The body's media type, in small letters and without parameters. */
  'http.type': 'string',
  /** The protocol that the request asks to change to. */
  'http.upgrade': 'string',
  /** Request headers that do not pass, in small letters. */
  'http.dropped': 'list',
  /** All values of a name in the query. */
  'http.query.*': 'list',
  /** What stands in the JSON body where the route's `json` points. */
  'http.json.*': 'any',
};
