/** The calls that the page makes. Times are seconds since 1970. */

import type { Api } from "./api";
import type {
  Account,
  AccountChange,
  CreatedInvitation,
  CreatedToken,
  Device,
  Entry,
  Invitation,
  LinkedIdentity,
  Me,
  NewAccount,
  NewInvitation,
  NewToken,
  Options,
  PersonalToken,
  Registration,
  MadeShare,
  PreviewInfo,
  RuntimeChoices as Choices,
  RuntimeInfo,
  RunningWorkspace,
  RunningWorkspaces,
  ShareInfo as Share,
  MemberInfo as Member,
  NewWorkspace,
  TemplateInfo as Template,
  TierNumbers,
  WorkspaceChanges,
  WorkspaceInfo as Workspace,
  WorkspaceStatus,
} from "./api.gen";

export type { Choices, MadeShare, PreviewInfo, RuntimeInfo, RunningWorkspace, Share, Member, Template, Workspace, WorkspaceStatus, Account, Device, Entry, Invitation, LinkedIdentity, Me, Options, PersonalToken, TierNumbers };
export type Role = Account["role"];
/** What a personal access token can be good for. */
export type TokenScope = NewToken["scopes"][number];

/** Some of a long list, and the cursor of the next ones. */
export interface Slice<T> {
  items: T[];
  next: number | null;
}

export class Rest {
  constructor(private readonly api: Api) {}

  // Coming and going.

  options(): Promise<Options> {
    return this.api.ask("GET /api/v1/auth/options", { open: true });
  }

  signIn(name: string, password: string): Promise<Account> {
    return this.api.ask("POST /api/v1/auth/login", { body: { name, password }, open: true });
  }

  signInByLink(token: string): Promise<Account> {
    return this.api.ask("POST /api/v1/auth/link", { body: { token }, open: true });
  }

  register(body: Registration): Promise<Account> {
    return this.api.ask("POST /api/v1/auth/register", { body, open: true });
  }

  signOut(): Promise<null> {
    return this.api.ask("POST /api/v1/auth/logout");
  }

  // One's own account.

  /** Who is signed in. A 401 puts nothing away: this is how one finds out. */
  me(): Promise<Me> {
    return this.api.ask("GET /api/v1/auth/me", { open: true });
  }

  /** `current` is undefined where there is no password yet. */
  setPassword(current: string | undefined, fresh: string): Promise<null> {
    return this.api.ask("PUT /api/v1/auth/password", { body: { current, new: fresh } });
  }

  devices(): Promise<Device[]> {
    return this.api.ask("GET /api/v1/auth/devices");
  }

  signOutDevice(device: string): Promise<null> {
    return this.api.ask("DELETE /api/v1/auth/devices/{device}", { names: { device } });
  }

  /** This one too. */
  signOutEverywhere(): Promise<null> {
    return this.api.ask("DELETE /api/v1/auth/devices");
  }

  /** Every device but this one. */
  signOutOthers(): Promise<null> {
    return this.api.ask("DELETE /api/v1/auth/devices/others");
  }

  tokens(): Promise<PersonalToken[]> {
    return this.api.ask("GET /api/v1/auth/tokens");
  }

  /** The answer is the only time that the token itself is told. `days` null: until it is revoked. */
  createToken(name: string, scopes: TokenScope[], days: number | null): Promise<CreatedToken> {
    return this.api.ask("POST /api/v1/auth/tokens", { body: { name, scopes, expires_in_days: days } });
  }

  revokeToken(token: string): Promise<null> {
    return this.api.ask("DELETE /api/v1/auth/tokens/{token}", { names: { token } });
  }

  identities(): Promise<LinkedIdentity[]> {
    return this.api.ask("GET /api/v1/auth/identities");
  }

  /** Where to go on, at the provider; the way back leads to the account. */
  async linkIdentity(provider: string): Promise<string> {
    const call = { names: { provider }, query: { next: "./#account" } };
    return (await this.api.ask("POST /api/v1/auth/oidc/{provider}/link", call)).location;
  }

  unlinkIdentity(provider: string): Promise<null> {
    return this.api.ask("DELETE /api/v1/auth/identities/{provider}", { names: { provider } });
  }

  // Everybody's.

  users(after: number | null, search: string): Promise<Slice<Account>> {
    return this.api.ask("GET /api/v1/users", { query: { after, search } });
  }

  createUser(body: NewAccount): Promise<Account> {
    return this.api.ask("POST /api/v1/users", { body });
  }

  changeUser(user: string, body: AccountChange): Promise<Account> {
    return this.api.ask("PATCH /api/v1/users/{user}", { names: { user }, body });
  }

  deleteUser(user: string): Promise<null> {
    return this.api.ask("DELETE /api/v1/users/{user}", { names: { user } });
  }

  invitations(): Promise<Invitation[]> {
    return this.api.ask("GET /api/v1/invitations");
  }

  invite(body: NewInvitation): Promise<CreatedInvitation> {
    return this.api.ask("POST /api/v1/invitations", { body });
  }

  revokeInvitation(invitation: string): Promise<null> {
    return this.api.ask("DELETE /api/v1/invitations/{invitation}", { names: { invitation } });
  }

  // Workspaces.

  workspaces(after: number | null, trash = false): Promise<Slice<Workspace>> {
    return this.api.ask("GET /api/v1/workspaces", { query: { after, limit: 100, trash: trash || null } });
  }

  workspace(workspace: string): Promise<Workspace> {
    return this.api.ask("GET /api/v1/workspaces/{workspace}", { names: { workspace } });
  }

  createWorkspace(body: NewWorkspace): Promise<Workspace> {
    return this.api.ask("POST /api/v1/workspaces", { body });
  }

  changeWorkspace(workspace: string, body: WorkspaceChanges): Promise<Workspace> {
    return this.api.ask("PATCH /api/v1/workspaces/{workspace}", { names: { workspace }, body });
  }

  /** Into the trash; with `purge` for good, at once. */
  deleteWorkspace(workspace: string, purge = false): Promise<null> {
    const query = { purge: purge || null };
    return this.api.ask("DELETE /api/v1/workspaces/{workspace}", { names: { workspace }, query });
  }

  restoreWorkspace(workspace: string): Promise<Workspace> {
    return this.api.ask("POST /api/v1/workspaces/{workspace}/restore", { names: { workspace } });
  }

  /** Put a first file into a workspace that has none. */
  ensureDefault(workspace: string): Promise<unknown> {
    return this.api.ask("POST /api/v1/workspaces/{workspace}/ensure-default", { names: { workspace } });
  }

  workspaceStatus(workspace: string): Promise<WorkspaceStatus> {
    return this.api.ask("GET /api/v1/workspaces/{workspace}/status", { names: { workspace } });
  }

  /** What programs of a workspace run in, or would. */
  runtime(workspace: string): Promise<RuntimeInfo> {
    return this.api.ask("GET /api/v1/workspaces/{workspace}/runtime", { names: { workspace } });
  }

  startRuntime(workspace: string): Promise<RuntimeInfo> {
    return this.api.ask("POST /api/v1/workspaces/{workspace}/runtime/start", { names: { workspace } });
  }

  stopRuntime(workspace: string): Promise<RuntimeInfo> {
    return this.api.ask("POST /api/v1/workspaces/{workspace}/runtime/stop", { names: { workspace } });
  }

  restartRuntime(workspace: string): Promise<RuntimeInfo> {
    return this.api.ask("POST /api/v1/workspaces/{workspace}/runtime/restart", { names: { workspace } });
  }

  keepRuntime(workspace: string): Promise<RuntimeInfo> {
    return this.api.ask("POST /api/v1/workspaces/{workspace}/runtime/keep", { names: { workspace } });
  }

  /** What environments may ask for. */
  runtimeChoices(): Promise<Choices> {
    return this.api.ask("GET /api/v1/runtimes");
  }

  // Previews.

  /** Where a port is seen. */
  preview(workspace: string, port: number): Promise<PreviewInfo> {
    return this.api.ask("GET /api/v1/workspaces/{workspace}/previews/{port}", { names: { workspace, port: String(port) } });
  }

  /** The links that are good now. */
  async shares(workspace: string): Promise<Share[]> {
    return (await this.api.ask("GET /api/v1/workspaces/{workspace}/shares", { names: { workspace } })).items;
  }

  /** `minutes` null: as long as the server allows. The answer is the only time that the link itself is told. */
  share(workspace: string, port: number, minutes: number | null): Promise<MadeShare> {
    return this.api.ask("POST /api/v1/workspaces/{workspace}/shares", { names: { workspace }, body: { port, minutes } });
  }

  revokeShare(workspace: string, share: string): Promise<null> {
    return this.api.ask("DELETE /api/v1/workspaces/{workspace}/shares/{share}", { names: { workspace, share } });
  }

  setMember(workspace: string, member: string, role: Member["role"]): Promise<Member> {
    const names = { workspace, member };
    return this.api.ask("PUT /api/v1/workspaces/{workspace}/members/{member}", { names, body: { role } });
  }

  removeMember(workspace: string, member: string): Promise<null> {
    return this.api.ask("DELETE /api/v1/workspaces/{workspace}/members/{member}", { names: { workspace, member } });
  }

  templates(): Promise<Template[]> {
    return this.api.ask("GET /api/v1/templates");
  }

  /** Which workspaces run, whosever they are. */
  running(after: number | null): Promise<RunningWorkspaces> {
    return this.api.ask("GET /api/v1/admin/runtimes", { query: { after } });
  }

  stopRunning(workspace: string): Promise<RunningWorkspace> {
    return this.api.ask("POST /api/v1/admin/runtimes/{workspace}/stop", { names: { workspace } });
  }

  audit(before: number | null, action: string, user: string): Promise<Slice<Entry>> {
    return this.api.ask("GET /api/v1/audit", { query: { before, action, user } });
  }

  tiers(): Promise<TierNumbers[]> {
    return this.api.ask("GET /api/v1/tiers");
  }
}
