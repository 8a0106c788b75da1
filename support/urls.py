from django.urls import path

from support.views import home, programme

app_name = "support"

urlpatterns = [
    path("", home.home, name="home"),
    path("home/runs", home.running, name="home_runs"),
    path("home/figures", home.figures, name="home_figures"),
    path("programme/choose", programme.choose, name="choose_programme"),
]
