"""The console's page of formats: for staff, with what does not work first."""

from django.contrib.auth.models import Permission
from django.test import Client

from alcoves.accounts.models import User

PAGE = "/admin/formats"


def staff(client: Client) -> Client:
    user = User.objects.create_user("staff@example.org", "a-password", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="see_dashboard"))
    client.force_login(user)
    return client


def test_staff_see_what_works_and_why_not(db: None, client: Client) -> None:
    text = staff(client).get(PAGE).content.decode()
    assert "Digital Negative" in text
    assert "kept and never drawn" in text
    assert text.index("SVG") < text.index("JPEG XL")


def test_the_first_page_leads_there(db: None, client: Client) -> None:
    text = staff(client).get("/admin/").content.decode()
    assert f'href="{PAGE}"' in text
    assert "Console. Times are UTC" in text


def test_staff_without_a_role_do_not_see_it(db: None, client: Client) -> None:
    client.force_login(User.objects.create_user("staff@example.org", "a-password", is_staff=True))
    assert client.get(PAGE).status_code == 403


def test_others_are_sent_to_the_door(db: None, client: Client) -> None:
    assert client.get(PAGE).status_code == 302
    client.force_login(User.objects.create_user("guest@example.org", "a-password"))
    answer = client.get(PAGE)
    assert answer.status_code == 302
    assert "login" in answer["Location"]
