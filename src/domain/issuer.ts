/** An identity provider as gateway.yaml names it: whom the gateway believes, about what. */

export interface IssuerConfig {
  /** Exactly as the provider writes it into `iss`. */
  readonly issuer: string;
  /** What `aud` of an access token must name. */
  readonly audience: string;
  /** Handed to the CLI for its login; absent for workload issuers, which nobody logs in at. */
  readonly clientId?: string;
  readonly scopes?: readonly string[];
  readonly use: 'accessToken' | 'idToken';
  /** Claim that holds the groups: a name, or a path of names with dots. Absent: the issuer gives no groups. */
  readonly groupsClaim?: string;
  /** What policy calls the groups that the provider names by an id. */
  readonly groupNames?: Readonly<Record<string, string>>;
  /** Claim that `--user` and `users:` name. Default: `sub`. */
  readonly subjectClaim?: string;
  /** Set before names and groups, so that two issuers cannot vouch for the same one. */
  readonly prefix?: string;
  /** What an issuer without prefix is believed about, beside another: groups, names (`*` stands for anything) and further claims. */
  readonly trust?: {
    readonly groups?: readonly string[];
    readonly users?: readonly string[];
    readonly claims?: readonly string[];
  };
  /** Takes `email` as it is, where the provider says nothing about `email_verified`. */
  readonly trustEmail?: boolean;
  /** Refuses an approval login in which the provider does not say when the person signed in. */
  readonly requireAuthTime?: boolean;
  /** Signature algorithms, asymmetric ones only. Default: all asymmetric ones of RFC 7518 and RFC 8037. */
  readonly algorithms?: readonly string[];
  /** Where the keys are, for a provider whose discovery document names another host than its own. */
  readonly jwksUri?: string;
  /** `resource` of RFC 8707, for a provider that gives tokens for `audience` only when asked in this way. */
  readonly resource?: string;
}
