"""`promotions/{key}/lists`: product lists and their products (S2-02, S2-09, S2-10)."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import clock
from loyalty.api.documentation import IDEMPOTENCY, ProblemSchema
from loyalty.api.idempotency import idempotent
from loyalty.api.pagination import NewestFirstCursor
from offers.api.promotion import BY, PAGES, REFUSALS, PromotionView
from offers.api.view import refuse_unknown
from offers.models import PromotionListItem, PromotionProductList
from offers.selectors import promotion as selectors
from offers.services import promotion_list as service


class ItemSerializer(serializers.ModelSerializer[PromotionListItem]):
    external_id = serializers.CharField(source="product.external_id")
    name = serializers.CharField(source="product.name")
    brand = serializers.CharField(source="product.brand", allow_blank=True)
    package_size = serializers.CharField(source="product.package_size", allow_blank=True)

    class Meta:
        model = PromotionListItem
        fields = ["external_id", "name", "brand", "package_size", "is_default"]


class ProductListSerializer(serializers.ModelSerializer[PromotionProductList]):
    products = serializers.IntegerField(source="product_count")
    enrolled = serializers.IntegerField(help_text="Members who hold it now.")
    chosen = serializers.IntegerField(help_text="Those of them who have chosen.")

    class Meta:
        model = PromotionProductList
        fields = ["id", "external_id", "name", "products", "enrolled", "chosen", "created_at", "updated_at"]


class ProductListDetailSerializer(ProductListSerializer):
    items = ItemSerializer(many=True, help_text="In the list's order.")

    class Meta(ProductListSerializer.Meta):
        fields = [*ProductListSerializer.Meta.fields, "items"]


class ItemsValues(serializers.Serializer[Any]):
    products = serializers.ListField(
        child=serializers.CharField(max_length=200),
        max_length=service.MOST_PRODUCTS,
        required=False,
        help_text="External ids in order, all of them: what is left out leaves the list. One is enough.",
    )
    default_product = serializers.CharField(
        max_length=200,
        required=False,
        allow_null=True,
        help_text="Counts at the till for who has chosen nothing, and locks nothing.",
    )
    drop_choices = serializers.BooleanField(
        required=False,
        help_text="Take choices of products that leave the list; otherwise that is refused (409 products_chosen).",
    )


class ProductListValues(ItemsValues):
    name = serializers.CharField(max_length=200, required=False)


class NewProductListValues(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200)
    external_id = serializers.CharField(max_length=200, required=False, help_text="Left out, it gets one.")
    products = ItemsValues().fields["products"]
    default_product = ItemsValues().fields["default_product"]


class DeletedProductList(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(["deleted"])


class ItemsSchema(serializers.Serializer[Any]):
    items = ItemSerializer(many=True)


class ProductListView(PromotionView):
    """What the views of one product list share."""

    def product_list(self, key: str, list_id: str) -> PromotionProductList:
        """Return the list that the address names, with its products. Raises ProductListNotFound."""
        return selectors.find_list(promotion=self.promotion(key), external_id=list_id)

    def known(self, *names: str) -> Mapping[str, Any]:
        """Return the body. Raises InvalidInput for fields that are not these."""
        body = self.storable_body()
        refuse_unknown(body, names)
        return body

    def shown(self, product_list: PromotionProductList, status: int = 200) -> Response:
        found = selectors.find_list(promotion=product_list.promotion, external_id=product_list.external_id)
        return Response(ProductListDetailSerializer(found).data, status=status)


class ProductLists(ProductListView):
    @extend_schema(
        operation_id="list_promotion_lists",
        responses={200: ProductListSerializer(many=True), 404: ProblemSchema},
        parameters=[BY, *PAGES],
    )
    def get(self, request: Request, key: str) -> Response:
        """List the promotion's product lists, the newest first."""
        pages = NewestFirstCursor()
        found = selectors.lists(promotion=self.promotion(key))
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(ProductListSerializer(page, many=True).data)

    @extend_schema(
        operation_id="create_promotion_list",
        request=NewProductListValues,
        responses={201: ProductListDetailSerializer} | REFUSALS,
        parameters=[BY, IDEMPOTENCY],
    )
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        """Make a product list."""
        body = self.known("name", "external_id", "products", "default_product")
        made = service.create(
            promotion=self.promotion(key),
            name=body.get("name", ""),
            external_id=body.get("external_id", ""),
            products=body.get("products", []),
            default_product=body.get("default_product"),
            by=self.acting,
        )
        return self.shown(made, 201)


class OneProductList(ProductListView):
    @extend_schema(
        operation_id="get_promotion_list",
        responses={200: ProductListDetailSerializer, 404: ProblemSchema},
        parameters=[BY],
    )
    def get(self, request: Request, key: str, list_id: str) -> Response:
        """Return one list with its products."""
        return Response(ProductListDetailSerializer(self.product_list(key, list_id)).data)

    @extend_schema(
        operation_id="put_promotion_list",
        request=ProductListValues,
        responses={200: ProductListDetailSerializer, 201: ProductListDetailSerializer} | REFUSALS,
        parameters=[BY, IDEMPOTENCY],
    )
    @idempotent
    def put(self, request: Request, key: str, list_id: str) -> Response:
        """Make the list by its external id, or change what is given; the same call again changes nothing."""
        made, is_created = service.put(
            promotion=self.promotion(key),
            external_id=list_id,
            values=self.storable_body(),
            by=self.acting,
            now=clock.now(),
        )
        return self.shown(made, 201 if is_created else 200)

    @extend_schema(
        operation_id="delete_promotion_list",
        request=None,
        responses={200: DeletedProductList} | REFUSALS,
        parameters=[BY, IDEMPOTENCY],
    )
    @idempotent
    def delete(self, request: Request, key: str, list_id: str) -> Response:
        """Delete a list that no member was ever given."""
        service.delete(product_list=self.product_list(key, list_id), by=self.acting)
        return Response({"outcome": "deleted"})


class ProductListItems(ProductListView):
    @extend_schema(
        operation_id="get_promotion_list_items", responses={200: ItemsSchema, 404: ProblemSchema}, parameters=[BY]
    )
    def get(self, request: Request, key: str, list_id: str) -> Response:
        """Return the list's products in order; there are at most a thousand."""
        return Response(ItemsSchema(self.product_list(key, list_id)).data)

    @extend_schema(
        operation_id="put_promotion_list_items",
        request=ItemsValues,
        responses={200: ItemsSchema} | REFUSALS,
        parameters=[BY, IDEMPOTENCY],
    )
    @idempotent
    def put(self, request: Request, key: str, list_id: str) -> Response:
        """Replace the products or the default; a chosen product leaves only with `drop_choices`."""
        values = self.known("products", "default_product", "drop_choices")
        found = self.product_list(key, list_id)
        service.change(product_list=found, values=values, by=self.acting, now=clock.now())
        return Response(ItemsSchema(self.product_list(key, list_id)).data)
