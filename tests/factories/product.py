import factory

from loyalty.models import Category, Product, ProductGroup
from tests.factories.programme import ProgrammeFactory


class DepartmentFactory(factory.django.DjangoModelFactory[Category]):
    class Meta:
        model = Category

    programme = factory.SubFactory(ProgrammeFactory)
    external_id = factory.Sequence(lambda n: f"department-{n}")
    name = factory.Sequence(lambda n: f"Department {n}")
    depth = 0


class CategoryFactory(factory.django.DjangoModelFactory[Category]):
    class Meta:
        model = Category

    programme = factory.SubFactory(ProgrammeFactory)
    external_id = factory.Sequence(lambda n: f"category-{n}")
    name = factory.Sequence(lambda n: f"Category {n}")
    depth = 1
    parent = factory.SubFactory(DepartmentFactory, programme=factory.SelfAttribute("..programme"))


class ProductFactory(factory.django.DjangoModelFactory[Product]):
    class Meta:
        model = Product

    programme = factory.SubFactory(ProgrammeFactory)
    external_id = factory.Sequence(lambda n: f"product-{n}")
    name = factory.Sequence(lambda n: f"Product {n}")
    brand = "National"
    category = factory.SubFactory(CategoryFactory, programme=factory.SelfAttribute("..programme"))
    department = factory.LazyAttribute(lambda product: product.category.parent if product.category else None)


class ProductGroupFactory(factory.django.DjangoModelFactory[ProductGroup]):
    """`ProductGroupFactory(programme=programme, products=[one, other])`."""

    class Meta:
        model = ProductGroup
        skip_postgeneration_save = True

    programme = factory.SubFactory(ProgrammeFactory)
    external_id = factory.Sequence(lambda n: f"group-{n}")
    name = factory.Sequence(lambda n: f"Group {n}")

    @factory.post_generation
    def products(group, create, extracted, **kwargs):
        if create and extracted:
            group.products.add(*extracted)
