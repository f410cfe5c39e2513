"""The administration: people, the audit log, and what of it others may see."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.e2e.accounts import PASSWORD, SOON, fill_in, house, nothing_left, panel, sign_in
from tests.e2e.browsing import CUT_OFF, Person
from tests.e2e.conftest import Arrive
from tests.e2e.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Shared by the tests of this module, each of which has people of its own."""
    async with house(tmp_path_factory.mktemp("house")) as running:
        yield running


async def added(admin: Person, name: str) -> Locator:
    """Make an account on the page, with a password; the administration, open at people."""
    people = await panel(admin, "Administration…")
    await people.get_by_role("button", name="Add a person…").click()
    dialog = admin.page.get_by_role("dialog", name="Add a person")
    await dialog.get_by_label("User name").fill(name)
    await dialog.get_by_label("E-mail (optional)").fill(f"{name}@example.org")
    await dialog.get_by_label("Password (optional)", exact=True).fill(PASSWORD)
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog).to_have_count(0)
    await expect(people.get_by_role("rowheader", name=name)).to_be_visible()
    return people


async def at_the_page(arrive: Arrive, server: Server, name: str) -> Person:
    """Somebody with an account, signed in by the address that was given."""
    person = await arrive(server, sign_in=False)
    person.watch.allowed = CUT_OFF
    await sign_in(person, server, f"{name}@example.org")
    return person


async def edited(admin: Person, name: str) -> Locator:
    """Open the dialog about somebody."""
    await admin.page.get_by_role("button", name=f"Edit {name}").click()
    return admin.page.get_by_role("dialog", name=name, exact=True)


async def test_a_disabled_person_is_out_at_once_and_until_enabled(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    people = await added(owner, "hans")
    hans = await at_the_page(arrive, server, "hans")
    await hans.run("echo hans wrote $((6 * 7))")
    await hans.sees("hans wrote 42")
    dialog = await edited(owner, "hans")
    await dialog.get_by_label("May sign in").uncheck()
    async with owner.page.expect_response("**/users/*"):
        await dialog.get_by_role("button", name="Save").click()
    await expect(hans.page.locator(".sign-in")).to_be_visible(timeout=SOON)
    await nothing_left(hans, "hans wrote")
    row = people.get_by_role("row").filter(has_text="hans")
    await expect(row.get_by_text("disabled")).to_be_visible()
    await fill_in(hans, "hans")
    await expect(hans.page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    dialog = await edited(owner, "hans")
    await dialog.get_by_label("May sign in").check()
    await dialog.get_by_role("button", name="Save").click()
    await expect(row.get_by_text("disabled")).to_have_count(0)
    await fill_in(hans, "hans")
    await hans.sees("hans wrote 42")


async def test_a_role_and_a_tier_reach_the_open_page(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    people = await added(owner, "ines")
    ines = await at_the_page(arrive, server, "ines")
    await ines.run("echo before $((6 * 7))")
    await ines.sees("before 42")
    dialog = await edited(owner, "ines")
    await dialog.get_by_label("Role").select_option("admin")
    await dialog.get_by_label("Tier").select_option("pro")
    await dialog.get_by_role("button", name="Save").click()
    await expect(people.get_by_role("row").filter(has_text="ines")).to_contain_text("adminpro")
    await ines.page.get_by_label("Menu").click()
    await expect(ines.page.get_by_role("button", name="Administration…")).to_be_visible()
    await ines.press("Escape")
    await ines.attached()
    await ines.run("echo after $((6 * 7))")  # it came back with its new rights, to the same terminal
    await ines.sees("after 42")
    await ines.sees("before 42")
    account = await panel(ines, "Account…")
    await expect(account.get_by_text("Administrator", exact=True)).to_be_visible()
    await expect(account.locator("dd").filter(has_text="pro")).to_be_visible()


async def test_a_new_password_and_deleting_end_what_is_open(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    people = await added(owner, "jana")
    jana = await at_the_page(arrive, server, "jana")
    dialog = await edited(owner, "jana")
    await dialog.get_by_role("button", name="Set a new password…").click()
    reset = owner.page.get_by_role("dialog", name="A new password for jana")
    await reset.get_by_label("New password", exact=True).fill("twelve quiet owls")
    async with owner.page.expect_response("**/users/*"):
        await reset.get_by_role("button", name="Set it").click()
    await expect(jana.page.locator(".sign-in")).to_be_visible(timeout=SOON)
    await fill_in(jana, "jana", "twelve quiet owls")
    await jana.attached()
    await dialog.get_by_role("button", name="Delete…").click()
    confirm = owner.page.get_by_role("dialog", name="Delete jana?")
    await expect(confirm).to_contain_text("jana@example.org")
    await expect(confirm.get_by_role("button", name="Cancel")).to_be_focused()
    async with owner.page.expect_response("**/users/*"):
        await confirm.get_by_role("button", name="Delete jana").click()
    await expect(jana.page.locator(".sign-in")).to_be_visible(timeout=SOON)
    await expect(people.get_by_role("rowheader", name="jana")).to_have_count(0)
    await expect(people.get_by_role("rowheader").first).to_be_visible()
    await fill_in(jana, "jana", "twelve quiet owls")
    await expect(jana.page.get_by_role("alert")).to_have_text("The name or the password is wrong.")


async def test_a_name_that_is_taken_leaves_the_form_as_it_was(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    owner.watch.allowed = CUT_OFF
    people = await added(owner, "karl")
    await people.get_by_role("button", name="Add a person…").click()
    dialog = owner.page.get_by_role("dialog", name="Add a person")
    await dialog.get_by_label("User name").fill("KARL")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await expect(dialog.get_by_label("User name")).to_have_value("KARL")


async def test_many_people_are_searched_and_shown_in_pages(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    headers = {"Origin": server.url.rstrip("/")}
    for number in range(55):
        person = {"username": f"crowd{number:02}", "email": f"c{number}@crowd.example"}
        made = await owner.context.request.post(f"{server.url}api/v1/users", data=person, headers=headers)
        assert made.status == 201
    people = await panel(owner, "Administration…")
    rows = people.locator("tbody").get_by_role("row")
    await expect(rows).to_have_count(50)
    await people.get_by_role("button", name="Load more").click()
    await expect(people.get_by_role("rowheader", name="crowd54")).to_be_visible()
    await expect(people.get_by_role("button", name="Load more")).to_have_count(0)
    await people.get_by_label("Search people").fill("c5@CROWD")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("crowd05")
    await people.get_by_label("Search people").fill("no such person")
    await expect(people.get_by_text("Nobody is called that.")).to_be_visible()


async def test_what_runs_is_seen_and_stopped(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    await added(owner, "nora")
    nora = await at_the_page(arrive, server, "nora")
    asking, headers = nora.context.request, {"Origin": server.url.rstrip("/")}
    made = await asking.post(f"{server.url}api/v1/workspaces", data={"name": "Render"}, headers=headers)
    workspace = (await made.json())["id"]
    wanted = {"workspace": workspace, "cols": 80, "rows": 24}
    assert (await asking.post(f"{server.url}api/v1/terminals", data=wanted, headers=headers)).status == 201
    await owner.page.goto(server.url + "#admin/running")
    shown = owner.page.locator("dialog.panel")
    row = shown.get_by_role("row").filter(has_text="Render")
    await expect(row).to_contain_text("nora")
    await expect(row).to_contain_text("1 terminal, 0 viewers")
    await expect(row).to_contain_text(re.compile(r"[0-9.]+ [KM]iB"))
    await owner.page.set_viewport_size({"width": 390, "height": 844})
    assert await shown.evaluate("panel => panel.querySelector('.content').scrollWidth") <= 390
    await row.get_by_role("button", name="Stop Render of nora").click()
    confirm = owner.page.get_by_role("dialog", name="Stop everything in Render?")
    await expect(confirm.get_by_role("button", name="Cancel")).to_be_focused()
    await confirm.get_by_role("button", name="Stop").click()
    await expect(shown.get_by_text("Nothing runs.")).to_be_visible()
    told = await (await asking.get(f"{server.url}api/v1/workspaces/{workspace}/runtime")).json()
    assert (told["state"], told["message"]) == ("absent", "stopped by an administrator")


async def test_the_audit_log_is_shown_as_text(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    await added(owner, "lena")
    await owner.page.goto(server.url + "#account")
    account = owner.page.locator("dialog.panel")
    await account.get_by_label("Name of a new token").fill("<img src=x onerror=alert(1)>")
    await account.get_by_role("button", name="Create token").click()
    await account.get_by_role("button", name="Done").click()
    await owner.page.goto(server.url + "#admin/audit")
    log = owner.page.locator("dialog.panel")
    await expect(log.locator("tbody tr").first).to_contain_text("token.")
    await log.get_by_label("Action").fill("user.create")
    await expect(log.locator("tbody tr").first).to_contain_text("lena")
    await expect(log.locator("tbody tr").filter(has_not_text="user.create")).to_have_count(0)
    await log.get_by_label("Action").fill("")
    await log.get_by_label("Person").fill("nobody of this name")
    await expect(log.get_by_text("Nothing fits.")).to_be_visible()
    assert await owner.page.locator("dialog img").count() == 0


async def test_the_tiers_have_their_numbers(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    shown = await panel(owner, "Administration…")
    await shown.get_by_role("tab", name="People").focus()
    for _ in range(4):
        await owner.press("ArrowRight")
    await expect(shown.get_by_role("tab", name="Tiers")).to_be_focused()
    await expect(shown.get_by_role("row").filter(has_text="free")).to_have_text(re.compile(r"free\s*60\s*10\s*10"))
    await expect(shown.get_by_role("row").filter(has_text="enterprise")).to_contain_text("5,000")
    await expect(shown.get_by_role("row").filter(has_text="enterprise")).to_contain_text("no limit")


async def test_others_see_no_administration(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    await added(owner, "mika")
    mika = await at_the_page(arrive, server, "mika")
    await mika.page.goto(server.url + "#admin/people")
    await expect(mika.page.get_by_text("Only administrators can see this.")).to_be_visible()
    assert (await mika.context.request.get(server.url + "api/v1/users")).status == 403
