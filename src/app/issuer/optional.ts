/** What only the demo and the built-in sign-in need is optional: when it is missing, its name and its install command are the error. */
import { HoopError } from '../../base/error.ts';

export class OptionalPackageMissing extends HoopError {
  constructor(name: string, why: string) {
    super('PACKAGE_MISSING', `the package ${name} is not installed: ${why}`, {
      exit: 2,
      hint: `install it beside hoopctl with: npm install ${name}`,
    });
  }
}

/** Imports an optional package. @throws OptionalPackageMissing */
export async function optional<Module>(name: string, why: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') throw new OptionalPackageMissing(name, why);
    throw error;
  }
}
