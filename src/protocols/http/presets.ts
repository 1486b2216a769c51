/**
 * What is known of the APIs that models are asked by, without any description of them. What a preset does not name is unknown.
 *
 * Asking a model is `read`: what comes back is text, nothing of it lasts at the provider, and it is what everybody who may use the target may do. It is
 * also `write` where the provider keeps the answer (Responses do unless `store` is false), and also `execute` where the provider runs tools of its own
 * (searching the web, running code, calling MCP servers): see inference.ts. Files and what is made of them are `transfer` and `write`: they stay there.
 * What administers the organisation or its keys is `administer`.
 */
import type { Effect } from '../../domain/command.ts';
import type { Inference, Route } from './routes.ts';
import { readTemplate } from './template.ts';

export const PRESETS = ['openai', 'anthropic'] as const;
export type Preset = (typeof PRESETS)[number];

/** Name, method (`*`: all), path, and what it does: effects, or how its body says so. */
type Row = readonly [name: string, method: string, path: string, does: readonly Effect[] | Inference];

const READ = ['read'] as const;
const WRITE = ['write'] as const;
const DELETE = ['delete'] as const;
const MOVE = ['transfer', 'write'] as const;
const TAKE = ['read', 'transfer'] as const;
const ADMINISTER = ['administer'] as const;

/** OpenAI's API reference; what is spoken by servers that are compatible with it. */
const OPENAI: readonly Row[] = [
  ['createResponse', 'POST', '/v1/responses', 'responses'],
  ['getResponse', 'GET', '/v1/responses/{id}', READ],
  ['deleteResponse', 'DELETE', '/v1/responses/{id}', DELETE],
  ['cancelResponse', 'POST', '/v1/responses/{id}/cancel', WRITE],
  ['listInputItems', 'GET', '/v1/responses/{id}/input_items', READ],
  ['countInputTokens', 'POST', '/v1/responses/input_tokens', READ],
  ['compactResponse', 'POST', '/v1/responses/compact', READ],
  ['createConversation', 'POST', '/v1/conversations', WRITE],
  ['getConversation', 'GET', '/v1/conversations/{id}', READ],
  ['updateConversation', 'POST', '/v1/conversations/{id}', WRITE],
  ['deleteConversation', 'DELETE', '/v1/conversations/{id}', DELETE],
  ['createConversationItems', 'POST', '/v1/conversations/{id}/items', WRITE],
  ['listConversationItems', 'GET', '/v1/conversations/{id}/items', READ],
  ['getConversationItem', 'GET', '/v1/conversations/{id}/items/{item}', READ],
  ['deleteConversationItem', 'DELETE', '/v1/conversations/{id}/items/{item}', DELETE],
  ['createChatCompletion', 'POST', '/v1/chat/completions', 'chat'],
  ['listChatCompletions', 'GET', '/v1/chat/completions', READ],
  ['getChatCompletion', 'GET', '/v1/chat/completions/{id}', READ],
  ['updateChatCompletion', 'POST', '/v1/chat/completions/{id}', WRITE],
  ['deleteChatCompletion', 'DELETE', '/v1/chat/completions/{id}', DELETE],
  ['getChatMessages', 'GET', '/v1/chat/completions/{id}/messages', READ],
  ['createCompletion', 'POST', '/v1/completions', READ],
  ['createEmbedding', 'POST', '/v1/embeddings', READ],
  ['createModeration', 'POST', '/v1/moderations', READ],
  ['listModels', 'GET', '/v1/models', READ],
  ['getModel', 'GET', '/v1/models/{model}', READ],
  // Names of models hold slashes where they come from elsewhere.
  ['getModel', 'GET', '/v1/models/{owner}/{model}', READ],
  ['deleteModel', 'DELETE', '/v1/models/{model}', DELETE],
  ['createImage', 'POST', '/v1/images/generations', READ],
  ['createImageEdit', 'POST', '/v1/images/edits', READ],
  ['createImageVariation', 'POST', '/v1/images/variations', READ],
  ['createSpeech', 'POST', '/v1/audio/speech', READ],
  ['createTranscription', 'POST', '/v1/audio/transcriptions', READ],
  ['createTranslation', 'POST', '/v1/audio/translations', READ],
  ['listFiles', 'GET', '/v1/files', READ],
  ['createFile', 'POST', '/v1/files', MOVE],
  ['getFile', 'GET', '/v1/files/{id}', READ],
  ['downloadFile', 'GET', '/v1/files/{id}/content', TAKE],
  ['deleteFile', 'DELETE', '/v1/files/{id}', DELETE],
  ['createUpload', 'POST', '/v1/uploads', MOVE],
  ['uploads', 'POST', '/v1/uploads/**', MOVE],
  ['listBatches', 'GET', '/v1/batches', READ],
  ['createBatch', 'POST', '/v1/batches', MOVE],
  ['getBatch', 'GET', '/v1/batches/{id}', READ],
  ['cancelBatch', 'POST', '/v1/batches/{id}/cancel', WRITE],
  ['fineTuningRead', 'GET', '/v1/fine_tuning/**', READ],
  ['fineTuning', 'POST', '/v1/fine_tuning/**', MOVE],
  ['fineTuningDelete', 'DELETE', '/v1/fine_tuning/**', DELETE],
  ['permissions', '*', '/v1/fine_tuning/checkpoints/**', ADMINISTER],
  ['listVectorStores', 'GET', '/v1/vector_stores', READ],
  ['createVectorStore', 'POST', '/v1/vector_stores', MOVE],
  ['vectorStoresRead', 'GET', '/v1/vector_stores/**', READ],
  ['searchVectorStore', 'POST', '/v1/vector_stores/{id}/search', READ],
  ['vectorStores', 'POST', '/v1/vector_stores/**', MOVE],
  ['vectorStoresDelete', 'DELETE', '/v1/vector_stores/**', DELETE],
  ['listAssistants', 'GET', '/v1/assistants', READ],
  ['createAssistant', 'POST', '/v1/assistants', WRITE],
  ['assistantsRead', 'GET', '/v1/assistants/**', READ],
  ['assistants', 'POST', '/v1/assistants/**', WRITE],
  ['assistantsDelete', 'DELETE', '/v1/assistants/**', DELETE],
  ['createThread', 'POST', '/v1/threads', WRITE],
  ['threadsRead', 'GET', '/v1/threads/**', READ],
  // Runs of an assistant run its tools, which stand elsewhere.
  ['threads', 'POST', '/v1/threads/**', ['write', 'execute']],
  ['threadsDelete', 'DELETE', '/v1/threads/**', DELETE],
  ['organization', '*', '/v1/organization/**', ADMINISTER],
  ['projects', '*', '/v1/projects/**', ADMINISTER],
  ['realtimeSession', 'POST', '/v1/realtime/**', ADMINISTER],
];

/** Anthropic's API reference. */
const ANTHROPIC: readonly Row[] = [
  ['createMessage', 'POST', '/v1/messages', 'messages'],
  ['countTokens', 'POST', '/v1/messages/count_tokens', READ],
  ['createCompletion', 'POST', '/v1/complete', READ],
  ['createBatch', 'POST', '/v1/messages/batches', MOVE],
  ['listBatches', 'GET', '/v1/messages/batches', READ],
  ['getBatch', 'GET', '/v1/messages/batches/{id}', READ],
  ['batchResults', 'GET', '/v1/messages/batches/{id}/results', TAKE],
  ['cancelBatch', 'POST', '/v1/messages/batches/{id}/cancel', WRITE],
  ['deleteBatch', 'DELETE', '/v1/messages/batches/{id}', DELETE],
  ['listModels', 'GET', '/v1/models', READ],
  ['getModel', 'GET', '/v1/models/{model}', READ],
  ['listFiles', 'GET', '/v1/files', READ],
  ['createFile', 'POST', '/v1/files', MOVE],
  ['getFile', 'GET', '/v1/files/{id}', READ],
  ['downloadFile', 'GET', '/v1/files/{id}/content', TAKE],
  ['deleteFile', 'DELETE', '/v1/files/{id}', DELETE],
  ['organizations', '*', '/v1/organizations/**', ADMINISTER],
];

const ROWS: Readonly<Record<Preset, readonly Row[]>> = { openai: OPENAI, anthropic: ANTHROPIC };

export function presetRoutes(preset: Preset): readonly Route[] {
  return ROWS[preset].map(([name, method, path, does]) => {
    const template = readTemplate(path);
    if ('problem' in template) throw new Error(`${path}: ${template.problem}`);
    return {
      name,
      ...(method !== '*' && { method }),
      template,
      ...(typeof does === 'string' ? { inference: does } : { effects: new Set(does) }),
      json: new Map(),
      // What the effects say of these paths is all there is to it.
      credentials: false,
    };
  });
}
