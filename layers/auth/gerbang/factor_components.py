"""The container's parts for second factors, on top of `gerbang.code_components`.

The modules of a part are imported in the property that makes it, as in `gerbang.container`.
"""
# ruff: noqa: PLC0415

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from gerbang.code_components import CodeComponents

if TYPE_CHECKING:
    from gerbang.accounts.factors import Factors
    from gerbang.accounts.own_factors import OwnFactors
    from gerbang.accounts.second_factor import SecondFactor


class FactorComponents(CodeComponents):
    """Makes what adds, removes and checks second factors, each once."""

    @cached_property
    def factors(self) -> "Factors":
        """Renames and removes second factors."""
        from gerbang.accounts.factors import Factors

        return Factors(
            store=self.store,
            users=self.users,
            families=self.families,
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def own_factors(self) -> "OwnFactors":
        """Adds and removes second factors of the caller."""
        from gerbang.accounts.own_factors import OwnFactors

        return OwnFactors(
            factors=self.factors,
            sessions=self.sessions,
            keys=self.keys,
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def second_factor(self) -> "SecondFactor":
        """Checks codes of second factors."""
        from gerbang.accounts.challenges import Challenges
        from gerbang.accounts.second_factor import SecondFactor

        return SecondFactor(
            store=self.store,
            users=self.users,
            families=self.families,
            sessions=self.sessions,
            keys=self.keys,
            challenges=Challenges(self.keys, self.now),
            first_factors=self.first_factors,
            rate_limits=self.rate_limits,
            tries=self.limit("code_tries"),
            address_limit=self.limit("sign_in_address"),
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
        )

    @cached_property
    def second_factor_sign_in(self) -> "SecondFactor":
        """`second_factor`, which also notifies owners of new devices."""
        return replace(self.second_factor, sessions=self.sign_in_sessions)

    @cached_property
    def second_factor_sign_in_with_role(self) -> "SecondFactor":
        """`second_factor_sign_in`, which also reads the role in the user's organization."""
        sessions = replace(self.sign_in_sessions, read_role=self.organization_table.default_role)
        return replace(self.second_factor, sessions=sessions)
