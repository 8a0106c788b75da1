from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('offers', '0030_personalized_promotions'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='personalofferrow',
            index=models.Index(condition=models.Q(('member__isnull', False)), fields=['member', 'upload'], name='personal_row_by_member'),
        ),
    ]
