"""gerbang.accounts.redirects: where a mailed link may lead."""

import pytest
from gerbang.accounts.redirects import LONGEST_TARGET, RedirectTargets

SITE = "https://app.example.com"


def targets(*patterns: str, site: str = SITE) -> RedirectTargets:
    return RedirectTargets(site, patterns)


# The site


@pytest.mark.parametrize(
    "target",
    [
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/welcome?next=/a#top",
        "https://APP.example.com/welcome",
        "HTTPS://app.example.com/welcome",
        "https://app.example.com:443/welcome",
        "https://app.example.com?x=1",
        "https://app.example.com#x",
        "https://app.example.com/a?to=https://evil.example/@x",
    ],
)
def test_any_page_of_the_site_is_allowed(target: str) -> None:
    assert targets().choose(target) == target


@pytest.mark.parametrize(
    "target",
    [
        # another scheme, host or port
        "http://app.example.com/",
        "https://example.com/",
        "https://evil.example/",
        "https://app.example.com.evil.example/",
        "https://app.example.com-evil.example/",
        "https://evilapp.example.com/",
        "https://evil.example/https://app.example.com/",
        "https://evil.example/?https://app.example.com",
        "https://evil.example/#https://app.example.com",
        "https://app.example.com:444/",
        "https://app.example.com:4430/",
        "https://app.example.com:/",
        "https://app.example.com:0/",
        "https://app.example.com:99999/",
        "https://app.example.com:x/",
        "https://app.example.com.:443/",
        "https://app.example.com./",
        # userinfo
        "https://app.example.com@evil.example/",
        "https://app.example.com:443@evil.example/",
        "https://user:password@app.example.com/",
        "https://@app.example.com/",
        "https://app.example.com%40evil.example/",
        # slashes and backslashes
        "//app.example.com/",
        "//evil.example/",
        "/welcome",
        "welcome",
        "https:app.example.com",
        "https:/app.example.com",
        "https:///app.example.com",
        "https:////app.example.com",
        "https:\\\\evil.example",
        "https://evil.example\\.app.example.com/",
        "https://evil.example\\@app.example.com/",
        "https://app.example.com\\@evil.example/",
        "\\\\evil.example",
        # what browsers remove before they read an address
        " https://app.example.com/",
        "https://app.example.com/ ",
        "https://app.example.com/\n",
        "ht\ntps://app.example.com/",
        "https://app.exa\tmple.com/",
        "\x00https://app.example.com/",
        # look-alike characters
        "https://\u0430pp.example.com/",
        "https://app.example\u3002com/",
        "https://app.example.com\uff0fevil",
        "https://app%2eexample.com/",
        # dot segments
        "https://app.example.com/a/../b",
        "https://app.example.com/a/%2e%2E/b",
        "https://app.example.com/./b",
        # no web page
        "javascript:alert(1)",
        "JavaScript://app.example.com/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example.com/x",
        "myapp://login",
        "",
        "https://app.example.com/" + "a" * LONGEST_TARGET,
    ],
)
def test_any_other_target_is_replaced_by_the_site(target: str) -> None:
    assert targets().choose(target) == SITE


def test_only_the_first_requested_target_counts() -> None:
    site = targets()

    assert site.choose(None, "", f"{SITE}/a", f"{SITE}/b") == f"{SITE}/a"
    assert site.choose("https://evil.example", f"{SITE}/b") == SITE
    assert site.choose(None, None) == SITE
    assert site.choose() == SITE


# Loopback


@pytest.mark.parametrize(
    "target",
    ["http://localhost/", "http://localhost:5173/a", "http://127.0.0.1:9/", "http://127.9.9.9/", "http://[::1]:80"],
)
def test_any_loopback_address_is_allowed_if_the_site_is_on_loopback(target: str) -> None:
    assert targets(site="http://localhost:3000").allows(target)
    assert targets(site="http://127.0.0.1:3000").allows(target)
    assert not targets(site="http://app.example.com").allows(target)


@pytest.mark.parametrize(
    "target",
    [
        "https://localhost:3000/",
        "http://localhost.evil.example:3000/",
        "http://evil.localhost:3000/",
        "http://127.0.0.1.evil.example/",
        "http://localhost:3000@evil.example/",
        "http://2130706433:3000/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://0.0.0.0:3000/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::]/",
        "http://10.0.0.1/",
    ],
)
def test_a_target_that_only_looks_like_loopback_is_not_allowed(target: str) -> None:
    assert not targets(site="http://localhost:3000").allows(target)


# Patterns


@pytest.mark.parametrize(
    ("pattern", "target"),
    [
        ("https://shop.example.com", "https://shop.example.com"),
        ("https://shop.example.com", "https://shop.example.com/"),
        ("https://shop.example.com/", "https://shop.example.com"),
        ("https://shop.example.com:443/a", "https://shop.example.com/a"),
        ("https://shop.example.com/a", "https://SHOP.example.com:443/a"),
        ("https://shop.example.com/a", "https://shop.example.com/a#fragment"),
        ("https://shop.example.com/*", "https://shop.example.com/welcome"),
        ("https://shop.example.com/*", "https://shop.example.com/"),
        ("https://shop.example.com/*/in", "https://shop.example.com/a/in"),
        ("https://shop.example.com/**", "https://shop.example.com/a/b.html?c=d"),
        ("https://shop.example.com/a?**", "https://shop.example.com/a?b=c/d.e"),
        ("https://*.example.com", "https://shop.example.com/"),
        ("https://pr-*-team.example.com/**", "https://pr-17-team.example.com/x"),
        ("https://**.example.com/**", "https://a.b.example.com/x"),
        ("http://localhost:*/**", "http://localhost:5173/a"),
        ("http://127.0.0.1:5173/**", "http://127.0.0.1:5173/a"),
        ("com.example.app://login", "com.example.app://login"),
        ("com.example.app://**", "COM.example.APP://login/callback?x=1"),
        ("com.example.app:/**", "com.example.app:/login"),
        ("exp://**", "exp://192.0.2.7:8081/--/login"),
    ],
)
def test_a_pattern_allows_matching_targets(pattern: str, target: str) -> None:
    assert targets(pattern).choose(target) == target


@pytest.mark.parametrize(
    ("pattern", "target"),
    [
        ("https://shop.example.com", "https://shop.example.com/a"),
        ("https://shop.example.com/a", "https://shop.example.com/a?b"),
        ("https://shop.example.com/a", "https://shop.example.com/A"),
        ("https://shop.example.com/a?b", "https://shop.example.com/ab"),
        ("https://shop.example.com/a", "http://shop.example.com/a"),
        ("https://shop.example.com/a", "https://shop.example.com:8443/a"),
        ("https://shop.example.com/*", "https://shop.example.com/a/b"),
        ("https://shop.example.com/*", "https://shop.example.com/a.b"),
        ("https://shop.example.com/a/**", "https://shop.example.com/a/../b"),
        ("https://shop.example.com/a/**", "https://shop.example.com/a/%2e./b"),
        ("https://*.example.com", "https://example.com/"),
        ("https://*.example.com", "https://a.b.example.com/"),
        ("https://*.example.com", "https://evil.example/.example.com"),
        ("https://*.example.com/**", "https://evil.example/x.example.com/"),
        ("https://**.example.com/**", "https://evil.example/x.example.com/"),
        ("https://**.example.com/**", "https://evil.example?x.example.com/"),
        ("https://**.example.com/**", "https://evil.example#x.example.com/"),
        ("https://**.example.com/**", "https://evil.example:443/x.example.com/"),
        ("https://**.example.com/**", "https://x.example.com@evil.example/"),
        ("https://**.example.com/**", "https://evilexample.com/"),
        ("https://**.example.com/**", "https://x.example.com.evil.example/"),
        ("https://shopXexample.com/", "https://shop.example.com/"),
        ("https://shop.example.com/", "https://shopXexample.com/"),
        ("http://localhost:*/**", "http://localhost.evil.example/a"),
        ("http://localhost:3000/**", "http://localhost:30001/a"),
        ("http://192.0.2.7/**", "http://192.0.2.7/a"),
        ("http://[2001:db8::1]/**", "http://[2001:db8::1]/a"),
        ("http://3221225991/**", "http://3221225991/a"),
        ("com.example.app://login", "com.example.app://login2"),
        ("com.example.app://**", "com-example-app://login"),
        ("com.example.app://**", "com.example.app.evil://login"),
        ("com.example.app://**", "com.example.app://login\\x"),
        ("com.example.app://**", "com.example.app://user@login"),
    ],
)
def test_a_pattern_allows_no_other_target(pattern: str, target: str) -> None:
    assert targets(pattern).choose(target) == SITE


@pytest.mark.parametrize(
    "pattern",
    [
        "*",
        "**",
        "https",
        "*://app.example.com",
        "https://",
        "https://*",
        "https://**",
        "https://app.example.com**",
        "https://app.example.*",
        "https://**evil.example/",
        "https://user@app.example.com/",
        "https://app.example.com\\/",
        "javascript:**",
        "data:**",
        "",
    ],
)
def test_a_pattern_that_allows_any_site_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^redirect_urls, entry 2: "):
        targets("https://shop.example.com", pattern)


@pytest.mark.parametrize("site", ["", "app.example.com", "myapp://x", "javascript:x", "https://user@app.example.com"])
def test_an_invalid_site_is_an_error(site: str) -> None:
    with pytest.raises(ValueError, match=r"^site_url"):
        targets(site=site)
