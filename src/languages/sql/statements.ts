/**
 * What each kind of PostgreSQL statement does by itself. What stands inside it (sub-queries, functions, data-modifying CTEs) adds to this.
 *
 * A kind that is not in the table has the effect `unknown`; a test holds the table against the parser's list of node kinds.
 */
import type { Effect } from '../../domain/command.ts';

export interface StatementClass {
  /** The value of the fact `postgres.statement`. */
  readonly name: string;
  /**
   * Effects of the statement itself; those that depend on its form (SELECT, COPY, SET, …) are found by the walker. Relations it names are accessed by
   * the first of them.
   */
  readonly effects: readonly Effect[];
  /** Naming a relation with masked columns is harmless: it neither evaluates their values nor changes what the names mean to the mask. */
  readonly maskSafe?: true;
  /** The statement runs another one it carries. */
  readonly wraps?: true;
}

export function statementClass(kind: string): StatementClass {
  return STATEMENTS[kind] ?? UNKNOWN;
}

const UNKNOWN: StatementClass = { name: 'unknown', effects: ['unknown'] };

const define = (name: string): StatementClass => ({ name, effects: ['define'] });
const harmlessDefine = (name: string): StatementClass => ({ name, effects: ['define'], maskSafe: true });
const administer = (name: string): StatementClass => ({ name, effects: ['administer'], maskSafe: true });
/** Objects through which data leaves or enters by another road than the reply. */
const gateway = (name: string, first: Effect = 'define'): StatementClass => ({ name, effects: [first, 'transfer'] });
const control = (name: string): StatementClass => ({ name, effects: ['control'] });
const unknown = (name: string): StatementClass => ({ name, effects: ['unknown'] });

export const STATEMENTS: Readonly<Record<string, StatementClass>> = {
  // Data. SelectStmt gets `read` from the walker, and COPY its direction.
  SelectStmt: { name: 'select', effects: [] },
  InsertStmt: { name: 'insert', effects: ['write'] },
  UpdateStmt: { name: 'update', effects: ['write'] },
  MergeStmt: { name: 'merge', effects: ['write'] },
  DeleteStmt: { name: 'delete', effects: ['delete'] },
  TruncateStmt: { name: 'truncate', effects: ['delete'], maskSafe: true },
  CopyStmt: { name: 'copy', effects: [] },
  LockStmt: { name: 'lock', effects: [], maskSafe: true },
  RefreshMatViewStmt: { name: 'refresh materialized view', effects: ['write'] },

  // Statements that run another one.
  ExplainStmt: { name: 'explain', effects: [], wraps: true },
  PrepareStmt: { name: 'prepare', effects: [], wraps: true },
  DeclareCursorStmt: { name: 'declare', effects: [], wraps: true },
  ExecuteStmt: unknown('execute'),
  FetchStmt: unknown('fetch'),
  ClosePortalStmt: control('close'),
  DeallocateStmt: control('deallocate'),

  // Session and transaction. TransactionStmt and VariableSetStmt are judged by their own tables.
  TransactionStmt: { name: 'transaction', effects: [] },
  VariableSetStmt: { name: 'set', effects: [] },
  VariableShowStmt: { name: 'show', effects: ['read'] },
  ConstraintsSetStmt: { ...control('set constraints'), maskSafe: true },
  DiscardStmt: control('discard'),
  ListenStmt: unknown('listen'),
  // Pools send it with every connection they take back.
  UnlistenStmt: control('unlisten'),
  NotifyStmt: unknown('notify'),

  // Opaque code.
  DoStmt: { name: 'do', effects: ['execute'] },
  CallStmt: { name: 'call', effects: ['execute'] },
  CreateExtensionStmt: { name: 'create extension', effects: ['define', 'execute'] },
  AlterExtensionStmt: { name: 'alter extension', effects: ['define', 'execute'] },
  AlterExtensionContentsStmt: define('alter extension'),
  LoadStmt: { name: 'load', effects: ['administer', 'execute'] },

  // Schema.
  CreateStmt: define('create table'),
  CreateTableAsStmt: define('create table as'),
  CreateSchemaStmt: define('create schema'),
  CreateSeqStmt: define('create sequence'),
  AlterSeqStmt: define('alter sequence'),
  ViewStmt: define('create view'),
  AlterTableStmt: define('alter table'),
  IndexStmt: define('create index'),
  CreateStatsStmt: define('create statistics'),
  AlterStatsStmt: define('alter statistics'),
  RenameStmt: define('rename'),
  DropStmt: harmlessDefine('drop'),
  CommentStmt: harmlessDefine('comment'),
  SecLabelStmt: { name: 'security label', effects: ['define', 'administer'] },
  AlterObjectSchemaStmt: define('set schema'),
  AlterObjectDependsStmt: define('alter depends'),
  CreateDomainStmt: define('create domain'),
  AlterDomainStmt: define('alter domain'),
  CompositeTypeStmt: define('create type'),
  CreateEnumStmt: define('create type'),
  CreateRangeStmt: define('create type'),
  AlterEnumStmt: define('alter type'),
  AlterTypeStmt: define('alter type'),
  AlterCollationStmt: define('alter collation'),
  DefineStmt: define('define'),
  CreateConversionStmt: define('create conversion'),
  AlterTSDictionaryStmt: define('alter text search dictionary'),
  AlterTSConfigurationStmt: define('alter text search configuration'),
  ReplicaIdentityStmt: define('replica identity'),
  CreateFunctionStmt: define('create function'),
  AlterFunctionStmt: define('alter function'),
  CreateTrigStmt: define('create trigger'),
  RuleStmt: define('create rule'),
  CreateCastStmt: define('create cast'),
  CreateTransformStmt: define('create transform'),
  CreateOpClassStmt: define('create operator class'),
  CreateOpFamilyStmt: define('create operator family'),
  AlterOpFamilyStmt: define('alter operator family'),
  AlterOperatorStmt: define('alter operator'),
  CreateAmStmt: define('create access method'),
  CreatePLangStmt: { name: 'create language', effects: ['define', 'administer'] },
  CreateEventTrigStmt: { name: 'create event trigger', effects: ['define', 'administer'] },
  AlterEventTrigStmt: { name: 'alter event trigger', effects: ['define', 'administer'] },
  CreatePolicyStmt: { name: 'create policy', effects: ['define', 'administer'] },
  AlterPolicyStmt: { name: 'alter policy', effects: ['define', 'administer'] },

  // Roads out of the database.
  CreateFdwStmt: gateway('create foreign data wrapper'),
  AlterFdwStmt: gateway('alter foreign data wrapper'),
  CreateForeignServerStmt: gateway('create server'),
  AlterForeignServerStmt: gateway('alter server'),
  CreateForeignTableStmt: gateway('create foreign table'),
  ImportForeignSchemaStmt: gateway('import foreign schema'),
  CreateUserMappingStmt: gateway('create user mapping', 'administer'),
  AlterUserMappingStmt: gateway('alter user mapping', 'administer'),
  DropUserMappingStmt: gateway('drop user mapping', 'administer'),
  CreatePublicationStmt: gateway('create publication'),
  AlterPublicationStmt: gateway('alter publication'),
  CreateSubscriptionStmt: gateway('create subscription'),
  AlterSubscriptionStmt: gateway('alter subscription'),
  DropSubscriptionStmt: gateway('drop subscription'),

  // Roles, rights, the cluster, maintenance.
  GrantStmt: administer('grant'),
  GrantRoleStmt: administer('grant role'),
  AlterDefaultPrivilegesStmt: administer('alter default privileges'),
  CreateRoleStmt: administer('create role'),
  AlterRoleStmt: administer('alter role'),
  AlterRoleSetStmt: administer('alter role'),
  DropRoleStmt: administer('drop role'),
  DropOwnedStmt: { name: 'drop owned', effects: ['administer', 'define', 'delete'] },
  ReassignOwnedStmt: administer('reassign owned'),
  AlterOwnerStmt: administer('alter owner'),
  AlterSystemStmt: administer('alter system'),
  CreatedbStmt: administer('create database'),
  DropdbStmt: administer('drop database'),
  AlterDatabaseStmt: administer('alter database'),
  AlterDatabaseRefreshCollStmt: administer('alter database'),
  AlterDatabaseSetStmt: administer('alter database'),
  CreateTableSpaceStmt: administer('create tablespace'),
  DropTableSpaceStmt: administer('drop tablespace'),
  AlterTableSpaceOptionsStmt: administer('alter tablespace'),
  AlterTableMoveAllStmt: administer('alter table all'),
  VacuumStmt: administer('vacuum'),
  // It puts rows in the order of an index, which may be one over masked values.
  ClusterStmt: { name: 'cluster', effects: ['administer'] },
  ReindexStmt: administer('reindex'),
  CheckPointStmt: administer('checkpoint'),

  // Inside functions only: as statements of their own they mean that we misread something.
  RawStmt: UNKNOWN,
  ReturnStmt: UNKNOWN,
  PLAssignStmt: UNKNOWN,
  SetOperationStmt: UNKNOWN,
};
