"""The example requests and answers of the published API documentation, as printed.

`<...>` in a request stands for a token, key or code.
"""

from typing import Final

# --- BotLaunch

BOTLAUNCH_REGISTER: Final = """\
POST /api/auth/register
Content-Type: application/json

{"email": "user@example.com", "password": "Secret1234", "name": "User Name", "organizationName": "Example"}
"""

BOTLAUNCH_REGISTER_WITHOUT_ORGANIZATION: Final = """\
POST /api/auth/register
Content-Type: application/json

{"email": "user@example.com", "password": "Secret1234", "name": "User Name"}
"""

BOTLAUNCH_REGISTERED: Final = """
{"data": {"accessToken": "eyJ…", "refreshToken": "eyJ…", "expiresIn": 3600,
          "user": {"id": "usr_abc123", "email": "user@example.com", "role": "CLIENT_OWNER"},
          "organization": {"id": "org_abc123", "name": "Example"}},
 "message": "Registration successful"}
"""

BOTLAUNCH_LOGIN: Final = """\
POST /api/auth/login
Content-Type: application/json

{"email": "user@example.com", "password": "Secret1234"}
"""

BOTLAUNCH_LOGIN_WRONG: Final = """\
POST /api/auth/login
Content-Type: application/json

{"email": "user@example.com", "password": "Wrong1234"}
"""

BOTLAUNCH_SESSION: Final = """
{"data": {"accessToken": "eyJ…", "refreshToken": "eyJ…", "expiresIn": 3600,
          "user": {"id": "usr_abc123", "email": "user@example.com", "role": "CLIENT_OWNER"}},
 "message": "Login successful"}
"""

BOTLAUNCH_REFRESH: Final = """\
POST /api/auth/refresh
Content-Type: application/json

{"refreshToken": "<refreshToken>"}
"""

BOTLAUNCH_REFRESHED: Final = """
{"data": {"accessToken": "eyJ…", "refreshToken": "eyJ…", "expiresIn": 3600,
          "user": {"id": "usr_abc123", "email": "user@example.com", "role": "CLIENT_OWNER"}}}
"""

BOTLAUNCH_ORGANIZATION_OF_THE_CALLER: Final = """\
GET /api/organization
Authorization: Bearer <accessToken>
x-organization-id: <organizationId>
Content-Type: application/json

"""

BOTLAUNCH_ORGANIZATION_FOUND: Final = """
{"data": {"id": "org_abc123", "name": "Example", "role": "CLIENT_OWNER", "createdAt": "2026-03-23T06:39:34Z"},
 "message": "…"}
"""

BOTLAUNCH_LOGOUT: Final = """\
POST /api/auth/logout
Authorization: Bearer <accessToken>

"""


# --- SnapOTP

SNAPOTP_REGISTER: Final = """\
POST /api/auth/register
Content-Type: application/json

{"username": "johndoe", "email": "john@example.com", "password": "secret123", "name": "John Doe"}
"""

SNAPOTP_LOGIN: Final = """\
POST /api/auth/login
Content-Type: application/json

{"username": "johndoe", "password": "secret123"}
"""

SNAPOTP_LOGIN_WRONG: Final = """\
POST /api/auth/login
Content-Type: application/json

{"username": "johndoe", "password": "secret124"}
"""

SNAPOTP_SESSION: Final = """
{"success": true,
 "data": {"token": "eyJ…", "refresh_token": "eyJ…", "expires_in": 3600,
          "user": {"id": 1, "username": "johndoe", "name": "John Doe", "email": "john@example.com",
                   "credit_balance": 5000, "role_id": 3}}}
"""

SNAPOTP_REFRESH: Final = """\
POST /api/auth/refresh
Content-Type: application/json

{"refresh_token": "<refresh_token>"}
"""

SNAPOTP_GOOGLE: Final = """\
POST /api/auth/google
Content-Type: application/json

{"google_id": "110169484474386276334", "email": "john@example.com", "name": "John Doe", "id_token": "<id_token>"}
"""

SNAPOTP_GOOGLE_FROM_A_BACK_END: Final = """\
POST /api/auth/google
Content-Type: application/json
apikey: <secret_key>

{"google_id": "110169484474386276334", "email": "john@example.com", "name": "John Doe"}
"""

SNAPOTP_GOOGLE_SESSION: Final = """
{"success": true,
 "data": {"token": "eyJ…", "refresh_token": "eyJ…", "expires_in": 3600,
          "user": {"id": 1, "username": null, "name": "John Doe", "email": "john@example.com",
                   "credit_balance": 5000, "role_id": 3}}}
"""

SNAPOTP_FORGOT_PASSWORD: Final = """\
POST /api/auth/forgot-password
Content-Type: application/json

{"email": "john@example.com"}
"""

SNAPOTP_RESET_PASSWORD: Final = """\
POST /api/auth/reset-password
Content-Type: application/json

{"token": "<reset_token>", "password": "newpassword123"}
"""

SNAPOTP_DONE: Final = '{"success": true}'

SNAPOTP_ME: Final = """\
GET /api/auth/me
Authorization: Bearer <token>

"""

SNAPOTP_USER: Final = """
{"success": true, "data": {"id": 1, "username": "johndoe", "name": "John Doe", "email": "john@example.com",
                           "credit_balance": 5000, "role_id": 3}}
"""


# --- Atourin

ATOURIN_REGISTER: Final = """\
POST /auth/register
Content-Type: application/json

{"name": "User Name", "email": "info@atourin.com", "password": "secret123"}
"""

ATOURIN_REGISTERED: Final = """
{"code": 200, "status": true, "msg": "Ok", "info": "Pendaftaran berhasil, silakan cek email untuk verifikasi",
 "data": {"id": "3c662a10-d9b1-438c-bfa7-eac70051f5ac", "email": "info@atourin.com",
          "created_at": "2026-03-23T06:39:34Z", "info": "Pendaftaran berhasil, silakan cek email untuk verifikasi"}}
"""

ATOURIN_OTP: Final = """\
POST /auth/otp
Content-Type: application/json

{"email": "user@example.com"}
"""

ATOURIN_VERIFY_OTP: Final = """\
POST /auth/verify_otp
Content-Type: application/json

{"email": "user@example.com", "otp": "<code>"}
"""

ATOURIN_LOGIN: Final = """\
POST /auth/login_with_email_password
Content-Type: application/json

{"email": "user@example.com", "password": "secret123"}
"""

ATOURIN_LOGIN_WRONG: Final = """\
POST /auth/login_with_email_password
Content-Type: application/json

{"email": "user@example.com", "password": "secret124"}
"""

ATOURIN_VERIFY_LEGACY_PASSWORD: Final = """\
POST /auth/verify_legacy_password
Content-Type: application/json

{"email": "user@example.com", "password": "secret123"}
"""

ATOURIN_GUEST: Final = """\
POST /auth/login_with_anonymous
Content-Type: application/json

{"email": "null", "password": "null"}
"""

ATOURIN_GUEST_WITHOUT_BODY: Final = """\
POST /auth/login_with_anonymous

"""

ATOURIN_LOGOUT: Final = """\
GET /auth/logout
Authorization: Bearer <access_token>

"""

ATOURIN_SESSION: Final = """
{"status": true, "code": 200, "info": "Success verify and migrate legacy user", "msg": "Ok",
 "data": {"access_token": "eyJ…", "token_type": "bearer", "expires_in": 3600, "expires_at": 1705312800,
          "refresh_token": "eyJ…",
          "user": {"id": "3c662a10-d9b1-438c-bfa7-eac70051f5ac", "email": "user@example.com",
                   "user_metadata": {"name": "User Name"}}}}
"""

ATOURIN_GUEST_SESSION: Final = """
{"status": true, "code": 200, "info": "…", "msg": "Ok",
 "data": {"access_token": "eyJ…", "token_type": "bearer", "expires_in": 3600, "expires_at": 1705312800,
          "refresh_token": "eyJ…",
          "user": {"id": "3c662a10-d9b1-438c-bfa7-eac70051f5ac", "email": "", "user_metadata": {"name": ""}}}}
"""

ATOURIN_REFRESH: Final = """\
POST /auth/v1/token?grant_type=refresh_token
Content-Type: application/json
apikey: <publishable_key>

{"refresh_token": "<refresh_token>"}
"""

GOTRUE_SESSION: Final = """
{"access_token": "eyJ…", "token_type": "bearer", "expires_in": 3600, "expires_at": 1705312800,
 "refresh_token": "eyJ…", "user": {"id": "3c662a10-d9b1-438c-bfa7-eac70051f5ac", "aud": "authenticated",
 "role": "authenticated", "email": "user@example.com", "app_metadata": {}, "user_metadata": {"name": "User Name"},
 "created_at": "2026-03-23T06:39:34Z", "updated_at": "2026-03-23T06:39:34Z"}}
"""
