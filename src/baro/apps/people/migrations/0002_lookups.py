"""Three questions that must be answered before a company is known, each with the narrowest answer."""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION people_find_login(name text) RETURNS TABLE (id uuid, company_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$ SELECT id, company_id FROM people_user WHERE username = name $$;

CREATE FUNCTION people_company_id(code text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$ SELECT c.id FROM people_company c WHERE c.code = $1 $$;

CREATE FUNCTION people_companies() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$ SELECT id FROM people_company ORDER BY code $$;

REVOKE ALL ON FUNCTION people_find_login(text), people_company_id(text), people_companies() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION people_find_login(text), people_company_id(text), people_companies() TO baro_app;
"""

UNDO = "DROP FUNCTION people_find_login(text), people_company_id(text), people_companies();"


class Migration(migrations.Migration):
    dependencies = [("people", "0001_initial")]
    operations = [migrations.RunSQL(FUNCTIONS, UNDO)]
