"""How many faces each person has, kept by the database: the list of people is in that order and counts no faces.

Whoever changes whose a face is holds the lock of the library (`ml.faces.assigning`): nobody waits for these rows.
"""

from django.db import migrations, models

FUNCTION = """
CREATE FUNCTION ml_count_faces() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE ml_person SET faces_known = faces_known + more FROM (
            SELECT person_id, count(*) AS more FROM now_there WHERE person_id IS NOT NULL AND NOT removed GROUP BY 1
        ) counted WHERE id = person_id;
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE ml_person SET faces_known = faces_known - fewer FROM (
            SELECT person_id, count(*) AS fewer FROM there_before WHERE person_id IS NOT NULL AND NOT removed GROUP BY 1
        ) counted WHERE id = person_id;
    ELSE
        UPDATE ml_person SET faces_known = faces_known + more FROM (
            SELECT person_id, sum(number) AS more FROM (
                SELECT person_id, 1 AS number FROM now_there WHERE person_id IS NOT NULL AND NOT removed
                UNION ALL
                SELECT person_id, -1 FROM there_before WHERE person_id IS NOT NULL AND NOT removed) each
            GROUP BY 1 HAVING sum(number) <> 0
        ) counted WHERE id = person_id;
    END IF;
    RETURN NULL;
END $$
"""
TRIGGER = """
CREATE TRIGGER ml_count_faces_{0} AFTER {0} ON ml_face REFERENCING {1}
FOR EACH STATEMENT EXECUTE FUNCTION ml_count_faces()
"""
TABLES = {
    "insert": "NEW TABLE AS now_there",
    "update": "NEW TABLE AS now_there OLD TABLE AS there_before",
    "delete": "OLD TABLE AS there_before",
}
COUNT = """
UPDATE ml_person SET faces_known = counted.number FROM (
    SELECT person_id, count(*) AS number FROM ml_face WHERE person_id IS NOT NULL AND NOT removed GROUP BY 1) counted
WHERE id = person_id
"""
INDEX = """
CREATE INDEX person_in_list_order ON ml_person (library_id, (name = ''), lower(name), (-faces_known), id)
WHERE merged_into_id IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("ml", "0007_search_model")]

    operations = [
        migrations.AddField(
            "person",
            "faces_known",
            models.IntegerField(
                default=0, editable=False, help_text="in the trash, too; a trigger of faces keeps it"
            ),
        ),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION ml_count_faces()"),
        *(
            migrations.RunSQL(TRIGGER.format(when, tables), f"DROP TRIGGER ml_count_faces_{when} ON ml_face")
            for when, tables in TABLES.items()
        ),
        migrations.RunSQL(INDEX, "DROP INDEX person_in_list_order"),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
    ]
