/** `hoopctl deny ID`. */
import { decisionCommand } from '../decide.ts';

export const command = decisionCommand('deny');
