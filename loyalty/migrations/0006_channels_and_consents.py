# Channels are data: programmes that are there already get the usual ones, new ones by the trigger.

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loyalty', '0005_members_for_targeting'),
    ]

    operations = [
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=40, validators=[django.core.validators.RegexValidator('^[a-z][a-z0-9_]{0,39}$', 'Use lower-case letters, digits and underscores, beginning with a letter.')], verbose_name='code')),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('address', models.CharField(blank=True, choices=[('', 'none'), ('email', 'e-mail address'), ('phone', 'phone number')], db_default='', default='', max_length=10, verbose_name='needs')),
                ('is_active', models.BooleanField(db_default=True, default=True, verbose_name='is in use')),
            ],
            options={
                'verbose_name': 'channel',
                'verbose_name_plural': 'channels',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Consent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_granted', models.BooleanField(verbose_name='is granted')),
                ('changed_at', models.DateTimeField(verbose_name='changed')),
                ('source', models.CharField(max_length=60, verbose_name='source')),
            ],
            options={
                'verbose_name': 'consent',
                'verbose_name_plural': 'consents',
            },
        ),
        migrations.CreateModel(
            name='ConsentEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_granted', models.BooleanField(verbose_name='is granted')),
                ('changed_at', models.DateTimeField(verbose_name='changed')),
                ('source', models.CharField(max_length=60, verbose_name='source')),
                ('at', models.DateTimeField(verbose_name='heard')),
            ],
            options={
                'verbose_name': "consent's history",
                'verbose_name_plural': "consents' history",
            },
        ),
        migrations.AlterField(
            model_name='apiclient',
            name='scopes',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('catalogue:read', 'read the catalogue'), ('catalogue:write', 'change the catalogue'), ('vouchers', 'upload and count voucher codes'), ('members', 'read and change members'), ('consents', 'read and write consents, and read channels'), ('assign', 'assign offers'), ('assignments:bulk', 'assign offers in sets, as an outside bulk producer'), ('assignments:write', 'revoke, reissue, extend and close assignments'), ('assignments:read', 'read assignments'), ('codes:read', 'read voucher codes of assignments'), ('till', 'confirm assignments and look up codes, as tills do'), ('limits', 'read and set limits, and whom offers are for'), ('targetings', 'count targetings and run mass assignments'), ('act-for-member', 'act as a trusted server for any member')], max_length=30), blank=True, default=list, size=None, verbose_name='scopes'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='programme',
            trigger=pgtrigger.compiler.Trigger(name='a_programme_has_channels', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    INSERT INTO loyalty_channel (programme_id, code, name, address)\n    VALUES (NEW.id, 'email', 'E-mail', 'email'), (NEW.id, 'sms', 'SMS', 'phone'), (NEW.id, 'push', 'Push', ''),\n           (NEW.id, 'receipt', 'Receipt', ''), (NEW.id, 'app', 'App', '');\n    RETURN NULL;\n", hash='8463c8222b9ff66ee7a69f3bee415b2daf8a0f5b', operation='INSERT', pgid='pgtrigger_a_programme_has_channels_5569a', table='loyalty_programme', when='AFTER')),
        ),
        migrations.AddField(
            model_name='channel',
            name='programme',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='channels', to='loyalty.programme', verbose_name='programme'),
        ),
        migrations.AddField(
            model_name='consent',
            name='channel',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='loyalty.channel', verbose_name='channel'),
        ),
        migrations.AddField(
            model_name='consent',
            name='member',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='loyalty.member', verbose_name='member'),
        ),
        migrations.AddField(
            model_name='consentevent',
            name='api_client',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='loyalty.apiclient', verbose_name='API client'),
        ),
        migrations.AddField(
            model_name='consentevent',
            name='channel',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='loyalty.channel', verbose_name='channel'),
        ),
        migrations.AddField(
            model_name='consentevent',
            name='member',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='loyalty.member', verbose_name='member'),
        ),
        migrations.AddField(
            model_name='consentevent',
            name='user',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.UniqueConstraint(fields=('programme', 'code'), name='a_channel_code_is_used_once_per_programme'),
        ),
        migrations.AddIndex(
            model_name='consent',
            index=models.Index(fields=['channel', 'member'], include=('is_granted',), name='consent_by_channel'),
        ),
        migrations.AddConstraint(
            model_name='consent',
            constraint=models.UniqueConstraint(fields=('member', 'channel'), name='a_member_consents_once_per_channel'),
        ),
        migrations.AddIndex(
            model_name='consentevent',
            index=models.Index(fields=['member', '-id'], name='consent_event_by_member'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='consentevent',
            trigger=pgtrigger.compiler.Trigger(name='consent_is_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='6aa146fc410cecfa16ef095f325e49cdbaf0e250', operation='UPDATE OR DELETE', pgid='pgtrigger_consent_is_append_only_b2d8e', table='loyalty_consentevent', when='BEFORE')),
        ),
        migrations.RunSQL(
            """
            INSERT INTO loyalty_channel (programme_id, code, name, address)
            SELECT programme.id, usual.code, usual.name, usual.address
              FROM loyalty_programme AS programme
             CROSS JOIN (VALUES (1, 'email', 'E-mail', 'email'), (2, 'sms', 'SMS', 'phone'), (3, 'push', 'Push', ''),
                                (4, 'receipt', 'Receipt', ''), (5, 'app', 'App', '')) AS usual (place, code, name, address)
             ORDER BY programme.id, usual.place
            """,
            migrations.RunSQL.noop,
        ),
    ]
