"""The answers of Supabase Auth's list of users, with the headers that its clients read."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from math import ceil

from gerbang.apis.gotrue.admin_requests import ListQuery
from gerbang.apis.gotrue.responses import UsersResponse, user
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import InvalidEmail, canonical
from gerbang.http.response import Response
from gerbang.storage.accounts import Name, User
from gerbang.storage.newest_users import identities_of_each
from gerbang.storage.numbered_pages import NumberedPage, NumberedPages
from gerbang.storage.users import UserTable


@dataclass(frozen=True, slots=True)
class UserList:
    """Makes the answers that list users."""

    users: UserTable
    pages: NumberedPages
    audience: str

    def page(self, query: ListQuery, *, caller: str) -> Response:
        """Return the page that the query asks for; *caller* identifies the reader."""
        page = self.pages.page(query.page, size=query.per_page, caller=f"{query.per_page} {caller}")
        return self._answer(page.users, _headers(page, query.per_page))

    def with_address(self, address: str) -> Response:
        """Return a list of the user that has an address; an empty list if there is none or it is not an address."""
        found = self._find(address)
        only = NumberedPage(number=1, users=found, total=len(found), is_last=True)
        return self._answer(found, _headers(only, 1))

    def _find(self, address: str) -> tuple[User, ...]:
        try:
            account = self.users.find_by_name(Name.EMAIL, canonical(address))
        except InvalidEmail:
            return ()
        return () if account is None else (account,)

    def _answer(self, accounts: Iterable[User], headers: Mapping[str, str]) -> Response:
        listed = tuple(accounts)
        identities = identities_of_each(self.users, listed)
        shown = [user(each, identities.get(each.user_id, ()), audience=self.audience) for each in listed]
        return Response(HTTPStatus.OK, UsersResponse(users=shown, aud=self.audience), headers)


def _headers(page: NumberedPage, size: int) -> dict[str, str]:
    """Return the headers that say how many users and pages there are.

    Supabase's clients read a page from the first parameter of a link, and the link's name from double quotes. Without
    any link, they read nothing, so the link of the last page is always there.
    """
    pages = max(1, ceil(page.total / size))
    last = max(pages, page.number + 1) if not page.is_last else min(pages, page.number)
    links = [] if page.is_last else [_link(page.number + 1, size, "next")]
    links.append(_link(last, size, "last"))
    return {"x-total-count": str(page.total), "link": ", ".join(links)}


def _link(number: int, size: int, name: str) -> str:
    return f'</admin/users?page={number}&per_page={size}>; rel="{name}"'
