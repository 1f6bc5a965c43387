"""A face, its person and its original, a person's cover, and what was proposed are of one library: the database says so.

As in media's migration of the same name: plain SQL, deferrable like Django's own keys.
"""

from django.db import migrations

KEYS = (
    ("ml_face", "face_original_same_library", "original_id", "media_original"),
    ("ml_face", "face_person_same_library", "person_id", "ml_person"),
    ("ml_face", "face_origin_same_library", "came_from_id", "ml_person"),
    ("ml_person", "person_cover_same_library", "cover_id", "ml_face"),
    ("ml_person", "person_merged_same_library", "merged_into_id", "ml_person"),
    ("ml_mergeproposal", "merge_first_same_library", "first_id", "ml_person"),
    ("ml_mergeproposal", "merge_second_same_library", "second_id", "ml_person"),
    ("ml_faceproposal", "proposal_face_same_library", "face_id", "ml_face"),
    ("ml_faceproposal", "proposal_person_same_library", "person_id", "ml_person"),
)

UNIQUE = "ALTER TABLE {0} ADD CONSTRAINT {0}_library_key UNIQUE (library_id, id)"
FOREIGN = (
    "ALTER TABLE {0} ADD CONSTRAINT {1} FOREIGN KEY (library_id, {2}) REFERENCES {3} (library_id, id) "
    "DEFERRABLE INITIALLY DEFERRED"
)
DROP = "ALTER TABLE {0} DROP CONSTRAINT {1}"


class Migration(migrations.Migration):
    dependencies = [("ml", "0002_people"), ("media", "0002_same_library")]

    operations = [
        *(
            migrations.RunSQL(UNIQUE.format(table), DROP.format(table, f"{table}_library_key"))
            for table in ("ml_face", "ml_person")
        ),
        *(
            migrations.RunSQL(FOREIGN.format(table, name, column, target), DROP.format(table, name))
            for table, name, column, target in KEYS
        ),
    ]
