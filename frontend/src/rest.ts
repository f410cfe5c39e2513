/** The calls that the page makes, and what they answer with. Times are seconds since 1970. */

import type { Api } from "./api";
import type {
  Account as User,
  AccountChange as UserChange,
  CreatedInvitation,
  CreatedToken,
  Device,
  Entry as AuditEntry,
  Invitation,
  LinkedIdentity as Identity,
  Location,
  Me,
  NewAccount as NewUser,
  NewInvitation,
  Options,
  PersonalToken as Token,
  Registration,
  TierNumbers as Tier,
} from "./api.gen";

export type { AuditEntry, Device, Identity, Invitation, Me, NewUser, Options, Tier, Token, User, UserChange };
export type Role = User["role"];
export type Scope = Me["scopes"][number];

export interface Slice<T> {
  items: T[];
  next: number | null;
}

export class Rest {
  constructor(private readonly api: Api) {}

  // Coming and going.

  options(): Promise<Options> {
    return this.api.get("auth/options", { open: true });
  }

  signIn(name: string, password: string): Promise<User> {
    return this.api.post("auth/login", { name, password }, { open: true });
  }

  signInByLink(token: string): Promise<User> {
    return this.api.post("auth/link", { token }, { open: true });
  }

  register(person: Registration): Promise<User> {
    return this.api.post("auth/register", person, { open: true });
  }

  signOut(): Promise<void> {
    return this.api.post("auth/logout");
  }

  // One's own account.

  /** Who is signed in. A 401 puts nothing away: this is how one finds out. */
  me(): Promise<Me> {
    return this.api.get("auth/me", { open: true });
  }

  setPassword(current: string | undefined, fresh: string): Promise<void> {
    return this.api.put("auth/password", current === undefined ? { new: fresh } : { current, new: fresh });
  }

  devices(): Promise<Device[]> {
    return this.api.get("auth/devices");
  }

  signOutDevice(id: string): Promise<void> {
    return this.api.delete(`auth/devices/${encodeURIComponent(id)}`);
  }

  /** This one too. */
  signOutEverywhere(): Promise<void> {
    return this.api.delete("auth/devices");
  }

  tokens(): Promise<Token[]> {
    return this.api.get("auth/tokens");
  }

  /** The answer is the only time that the token itself is told. */
  createToken(name: string, scopes: Scope[], days: number | null): Promise<CreatedToken> {
    return this.api.post("auth/tokens", { name, scopes, ...(days === null ? {} : { expires_in_days: days }) });
  }

  revokeToken(id: string): Promise<void> {
    return this.api.delete(`auth/tokens/${encodeURIComponent(id)}`);
  }

  identities(): Promise<Identity[]> {
    return this.api.get("auth/identities");
  }

  /** Where to go on, at the provider. */
  linkIdentity(provider: string): Promise<Location> {
    return this.api.post(`auth/oidc/${encodeURIComponent(provider)}/link?next=./%23account`);
  }

  unlinkIdentity(provider: string): Promise<void> {
    return this.api.delete(`auth/identities/${encodeURIComponent(provider)}`);
  }

  // Everybody's.

  users(after: number | null, search: string): Promise<Slice<User>> {
    return this.api.get("users", { query: { after, search } });
  }

  createUser(person: NewUser): Promise<User> {
    return this.api.post("users", person);
  }

  changeUser(id: string, change: UserChange): Promise<User> {
    return this.api.patch(`users/${encodeURIComponent(id)}`, change);
  }

  deleteUser(id: string): Promise<void> {
    return this.api.delete(`users/${encodeURIComponent(id)}`);
  }

  invitations(): Promise<Invitation[]> {
    return this.api.get("invitations");
  }

  invite(invitation: NewInvitation): Promise<CreatedInvitation> {
    return this.api.post("invitations", invitation);
  }

  revokeInvitation(id: string): Promise<void> {
    return this.api.delete(`invitations/${encodeURIComponent(id)}`);
  }

  audit(before: number | null, action: string, user: string): Promise<Slice<AuditEntry>> {
    return this.api.get("audit", { query: { before, action, user } });
  }

  tiers(): Promise<Tier[]> {
    return this.api.get("tiers");
  }
}
