"""Addresses of accounts: the login page, /api/auth/, and Flower behind the staff's login."""

from django.urls import path

from alcoves.accounts import api, avatars, flower, views

urlpatterns = [
    path("login", views.LogIn.as_view(), name="login"),
    path("profile", views.show_profile, name="profile"),
    path("logout", views.LogOut.as_view(), name="logout"),
    path("admin/login/", views.to_login),
    path("api/_auth/session", api.Session.as_view(), name="session"),
    path("api/auth/me", api.Me.as_view(), name="me"),
    path("api/auth/me/avatar", avatars.MyAvatar.as_view(), name="my-avatar"),
    path("api/auth/users/<uuid:user_id>/avatar", avatars.OneAvatar.as_view(), name="avatar"),
    path("api/auth/login", api.Login.as_view(), name="api-login"),
    path("api/auth/logout", api.Logout.as_view(), name="api-logout"),
    path("api/auth/tokens", api.Tokens.as_view(), name="tokens"),
    path("api/auth/tokens/<uuid:token_id>", api.OneToken.as_view(), name="token"),
    path("flower/", flower.proxy, {"path": ""}, name="flower"),
    path("flower/<path:path>", flower.proxy),
]
