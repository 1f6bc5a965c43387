"""The database itself keeps the audit log as it was written.

Two things may be done to a row: its actor is set to NULL when the user is deleted, and `media.audit.prune` deletes rows
whose time is over, which it says by a setting of its transaction.
"""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION media_keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('alcoves.prune_audit', true) = 'on' THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.actor_id IS NULL
        AND to_jsonb(NEW) - 'actor_id' = to_jsonb(OLD) - 'actor_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The audit log is never changed.' USING ERRCODE = 'restrict_violation';
END $$
"""
TRIGGER = """
CREATE TRIGGER media_keep_audit BEFORE UPDATE OR DELETE ON media_auditentry
FOR EACH ROW EXECUTE FUNCTION media_keep_audit()
"""


class Migration(migrations.Migration):
    dependencies = [("media", "0021_lists_of_the_console")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION media_keep_audit()"),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER media_keep_audit ON media_auditentry"),
    ]
